// What every page needs beside htmx: local times, the focus on what needs a correction, frames, and parts that ask again.
"use strict";

(() => {
  const DOUBLE_CLICK = 2000; // milliseconds
  const language = document.documentElement.lang;
  const parts = { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" };
  const thisYear = new Intl.DateTimeFormat(language, parts);
  const otherYear = new Intl.DateTimeFormat(language, { ...parts, year: "numeric" });
  const shown = (time) => (time.getFullYear() === new Date().getFullYear() ? thisYear : otherYear).format(time);

  const localise = (root) => {
    for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
      time.textContent = shown(new Date(time.dateTime));
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

  // A double click sends a form once. Forms that show something in a frame may be sent as often as one likes.
  const sendOnce = (event) => {
    const { target: form, submitter } = event;
    if (event.defaultPrevented || form.method !== "post" || form.target || submitter?.formTarget) return;
    if (event.timeStamp - Number(form.dataset.sentAt ?? NaN) < DOUBLE_CLICK) event.preventDefault();
    else form.dataset.sentAt = event.timeStamp;
  };

  // On a narrow screen the navigation scrolls: the page that is shown comes into sight.
  for (const link of document.querySelectorAll("nav a[aria-current='page']")) link.scrollIntoView({ block: "nearest", inline: "nearest" });

  localise(document);
  document.addEventListener("submit", sendOnce);
  document.addEventListener("htmx:beforeSwap", keepPart);
  document.addEventListener("htmx:afterSwap", fillFrames);
  document.addEventListener("htmx:afterSwap", () => localise(document));
  document.querySelector("[data-focus]")?.focus();
})();
