// What every page needs beside htmx: local times, the focus on what needs a correction, frames, and parts that ask again.
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

  // A part that asks again by itself stays as it is while the functions do not answer.
  const keepPart = ({ detail }) => {
    const asksAgain = detail.requestConfig.elt.getAttribute("hx-trigger")?.startsWith("every");
    if (asksAgain && (detail.xhr.status >= 500 || detail.xhr.status === 429)) detail.shouldSwap = false;
  };

  localise(document);
  document.addEventListener("htmx:beforeSwap", keepPart);
  document.addEventListener("htmx:afterSwap", fillFrames);
  document.addEventListener("htmx:afterSwap", () => localise(document));
  document.querySelector("[data-focus]")?.focus();
})();
