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

  // A part of a page may bring a form whose answer belongs into a frame beside it.
  const fillFrames = () => {
    for (const form of document.querySelectorAll("form[data-to-frame]")) {
      form.removeAttribute("data-to-frame");
      form.submit();
    }
  };

  localise(document);
  document.addEventListener("htmx:afterSwap", fillFrames);
  document.addEventListener("htmx:afterSwap", () => localise(document));
  document.querySelector("[data-focus]")?.focus();
})();
