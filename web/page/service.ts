/** Keeps all files of the page, so that it works without a network after the first visit. */

export {};
declare const FILES: string[];
declare const VERSION: string;

interface Lasting extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Event {
  request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface Scope extends EventTarget {
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void> };
}
const scope = self as unknown as Scope;

scope.addEventListener("install", (event) => {
  const work = caches.open(VERSION).then((cache) => cache.addAll(FILES));
  (event as Lasting).waitUntil(work.then(() => scope.skipWaiting()));
});
scope.addEventListener("activate", (event) => {
  const old = caches.keys().then((names) => Promise.all(names.filter((name) => name !== VERSION).map((name) => caches.delete(name))));
  (event as Lasting).waitUntil(old.then(() => scope.clients.claim()));
});
scope.addEventListener("fetch", (event) => {
  const { request } = event as Fetching;
  const answer = caches.match(request, { ignoreSearch: true }).then((found) => found ?? fetch(request));
  (event as Fetching).respondWith(answer);
});
