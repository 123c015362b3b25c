// What every page needs beside htmx: times in the reader's own zone, and the focus on what needs a correction.
"use strict";

(() => {
  const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });

  const localise = (root) => {
    for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
      time.textContent = format.format(new Date(time.dateTime));
      time.dataset.local = "";
    }
  };

  localise(document);
  document.addEventListener("htmx:afterSwap", () => localise(document));
  document.querySelector("[data-focus]")?.focus();
})();
