/** Keeps all files of the page, so that it works without a network after the first visit. */

export {};
declare const FILES: string[];
/** Kept once they were needed. */
declare const LATER: string[];
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
  location: Location;
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
  (event as Fetching).respondWith(answer(request));
});

async function answer(request: Request): Promise<Response> {
  const kept = await caches.match(request, { ignoreSearch: true });
  if (kept) return kept;
  const found = await fetch(request);
  const later = LATER.some((name) => new URL(name, scope.location.href).pathname === new URL(request.url).pathname);
  if (later && found.ok) await (await caches.open(VERSION)).put(request, found.clone());
  return found;
}
