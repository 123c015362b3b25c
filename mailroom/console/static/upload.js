// Sends each chosen or dropped file straight to the bucket, with a form of its own and a progress bar.
// Where the bucket cannot be reached, a file of up to 16 MiB goes through Mailroom. What is interrupted is sent again.
"use strict";

(() => {
  const AT_ONCE = 2;
  const WAITS = [1000, 2000, 4000, 8000];

  const form = document.querySelector("[data-upload]");
  const list = document.querySelector("[data-uploads]");
  const options = document.querySelector("[data-upload-options]");
  if (!form || !list || !options) return;
  const chosen = form.querySelector("input[type=file]");
  const texts = list.dataset;
  const waiting = [];
  let running = 0;
  let shown = "";

  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  const asked = () => {
    const data = new FormData();
    data.set("csrf_token", form.dataset.token);
    data.set("folder", options.elements.folder.value);
    if (options.elements.at_once.checked) data.set("at_once", "1");
    return data;
  };

  // The answer, or null if none came.
  const send = (url, data, onProgress) => new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    if (onProgress) request.upload.addEventListener("progress", (event) => event.lengthComputable && onProgress(event.loaded / event.total));
    if (new URL(url, location).origin === location.origin) request.setRequestHeader("Accept", "application/json");
    request.addEventListener("load", () => resolve({ status: request.status, text: request.responseText }));
    request.addEventListener("error", () => resolve(null));
    request.addEventListener("abort", () => resolve(null));
    request.send(data);
  });

  const parsed = (answer) => {
    try { return JSON.parse(answer.text); } catch { return {}; }
  };

  // Why the bucket refused a file, in its own words.
  const reason = (answer) => {
    const said = new DOMParser().parseFromString(answer.text, "text/xml").querySelector("Message");
    return said?.textContent || `${answer.status}`;
  };

  // Asks again while the functions do not answer, such as while one of them starts anew.
  const persistently = async (attempt, row) => {
    for (const wait of [...WAITS, 0]) {
      const answer = await attempt();
      const again = !answer || answer.status >= 500 || answer.status === 429;
      if (!again || !wait) return answer;
      row.say(texts.again);
      await pause(wait);
    }
  };

  const makeRow = (file) => {
    const item = document.createElement("li");
    const name = document.createElement("span");
    const state = document.createElement("span");
    const bar = document.createElement("progress");
    const end = document.createElement("span");
    name.className = "name";
    name.textContent = file.name;
    state.className = "hint";
    bar.max = 1;
    bar.setAttribute("aria-label", file.name);
    item.append(name, state, bar, end);
    list.append(item);
    const row = {
      say: (text) => { state.textContent = text; },
      progress: (part) => { bar.value = part; },
      done: (url, text) => {
        bar.remove();
        row.say(texts.there);
        const link = document.createElement("a");
        link.href = url;
        link.textContent = text;
        end.replaceChildren(link);
      },
      failed: (detail, retry) => {
        bar.value = 0;
        row.say(`${texts.failed}: ${detail || ""}`);
        const button = document.createElement("button");
        button.type = "button";
        button.className = "quiet";
        button.textContent = texts.retry;
        button.addEventListener("click", () => { end.replaceChildren(); retry(); });
        end.replaceChildren(button);
      },
    };
    row.say(texts.waiting);
    return row;
  };

  const straight = async (file, row, atOnce) => {
    const answer = await persistently(() => send(form.dataset.form, asked()), row);
    const made = answer ? parsed(answer) : {};
    if (!answer || answer.status >= 400) return { detail: made.detail };
    const key = made.fields.key.replace("${filename}", () => file.name);
    const attempt = () => {
      const data = new FormData();
      for (const [name, value] of Object.entries(made.fields)) data.set(name, name === "key" ? key : value);
      data.set("file", file);
      row.say(texts.sending);
      return send(made.url, data, row.progress);
    };
    const sent = await attempt() ?? (await pause(WAITS[0]), await attempt());
    if (!sent) return { unreachable: true };
    if (sent.status >= 300) return { detail: reason(sent) };
    const page = new URL(made.page, location);
    page.searchParams.set("key", key);
    return { page: page.href, text: atOnce ? texts.see : texts.check };
  };

  const through = async (file, row, atOnce) => {
    row.say(texts.otherWay);
    const answer = await persistently(() => {
      const data = asked();
      data.set("file", file);
      return send(form.dataset.through, data, row.progress);
    }, row);
    const made = answer ? parsed(answer) : {};
    if (!answer || answer.status >= 400) return { detail: made.detail };
    return { page: made.page, text: atOnce ? texts.see : texts.check };
  };

  const upload = async (file, row) => {
    const atOnce = options.elements.at_once.checked;
    let result = await straight(file, row, atOnce);
    if (result.unreachable && file.size <= Number(form.dataset.most)) result = await through(file, row, atOnce);
    if (!result.page) return row.failed(result.detail, () => add(file, row));
    row.done(result.page, result.text);
    shown = !atOnce && list.children.length === 1 ? result.page : "";
  };

  const next = async () => {
    if (running >= AT_ONCE || !waiting.length) return;
    running += 1;
    const [file, row] = waiting.shift();
    try { await upload(file, row); } finally { running -= 1; next(); }
    // One file that is looked at first is shown at once.
    if (shown && !running && !waiting.length) location.assign(shown);
  };

  const add = (file, row) => {
    waiting.push([file, row ?? makeRow(file)]);
    list.hidden = false;
    next();
  };

  chosen.multiple = true;
  document.querySelector("[data-no-script]")?.remove();
  const hint = form.querySelector("[data-drop-hint]");
  hint.textContent = hint.dataset.dropHint;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    for (const file of chosen.files) add(file);
    form.reset();
  });
  form.addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("over"); });
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    for (const file of event.dataTransfer.files) add(file);
  });
  options.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("beforeunload", (event) => { if (running || waiting.length) event.preventDefault(); });
})();
