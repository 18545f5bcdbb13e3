// Sounds of a row are one sound to the ear: switching keeps the place, starting another row stops the last.
"use strict";
(() => {
  let row = null; // that plays, or played last

  function makeRow(article) {
    const cells = [...article.querySelectorAll(".cell")];
    const sounds = [...article.querySelectorAll("audio")];
    const self = { cells, current: 0, playing: () => !sounds[self.current].paused, stop, play, time: () => sounds[self.current].currentTime, length: () => sounds[self.current].duration || 1 };

    function paint() {
      cells.forEach((cell, i) => cell.setAttribute("aria-pressed", String(i === self.current && self.playing())));
    }
    function stop() {
      sounds[self.current].pause();
    }
    function play(index) {
      if (row && row !== self) row.stop();
      row = self;
      sounds.forEach((sound) => (sound.preload = "auto"));
      const before = sounds[self.current];
      const after = sounds[index];
      if (after !== before) {
        after.currentTime = before.currentTime;
        before.pause();
      }
      self.current = index;
      // A second press may stop it before it begins: no error, only a change of mind.
      return after.play().catch((error) => {
        if (error.name !== "AbortError") throw error;
      });
    }
    cells.forEach((cell, i) => cell.addEventListener("click", () => (i === self.current && self.playing() ? stop() : play(i))));
    sounds.forEach((sound) => {
      sound.loop = true;
      for (const name of ["play", "pause"]) sound.addEventListener(name, paint);
    });
    return self;
  }

  const rows = [...document.querySelectorAll("article")].map(makeRow);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inside = rows[[...document.querySelectorAll("article")].findIndex((article) => article.contains(document.activeElement))];
    const target = inside || row || rows[0];
    const index = /^[0-9]$/.test(event.key) ? Number(event.key) : -1; // 0 is the original, as on every page
    if (event.key === " ") target.playing() ? target.stop() : target.play(target.current);
    else if (index >= 0 && index < target.cells.length) target.play(index);
    else return;
    event.preventDefault();
  });
  (function heads() {
    for (const { cells, time, length } of row ? [row] : [])
      for (const cell of cells) {
        const head = cell.querySelector(".head");
        head.style.visibility = "visible";
        head.style.left = `${(100 * time()) / length()}%`;
      }
    requestAnimationFrame(heads);
  })();
})();
