// What a page does beyond HTML; each part is left out where the page has no use for it.
"use strict";

// Numbers in the reader's own way of writing them.
function localise(root) {
  for (const each of root.querySelectorAll("data[value]")) {
    const value = Number(each.value);
    if (Number.isFinite(value) && each.value !== "") {
      each.textContent = value.toLocaleString(undefined, { maximumFractionDigits: Math.abs(value) < 100 ? 1 : 0 });
    }
  }
}
localise(document);

// A list that fills while a person types. The text goes in a body, never into an address.
for (const form of document.querySelectorAll("form[data-seek]")) {
  const into = document.getElementById(form.dataset.seek);
  let waiting, asked;
  const seek = async () => {
    asked?.abort();
    asked = new AbortController();
    into.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, {
        method: "POST", body: new URLSearchParams(new FormData(form)), headers: { "x-fragment": "1" }, signal: asked.signal,
      });
      if (!answer.ok || answer.redirected) { form.submit(); return; }
      into.innerHTML = await answer.text();
      localise(into);
      into.removeAttribute("aria-busy");
    } catch (error) {
      if (error.name !== "AbortError") { form.submit(); }
    }
  };
  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(seek, 150); });
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(waiting); seek(); });
}

// A part that is fetched: at once, or when the disclosure that it is in is opened first.
async function load(part) {
  const from = part.dataset.from, link = document.createElement("a");
  delete part.dataset.from;
  part.innerHTML = '<p class="waiting busy" role="status"></p>';
  part.firstChild.textContent = part.dataset.busy ?? "Looking through the events …";
  try {
    const answer = await fetch(from, { headers: { "x-fragment": "1" }, signal: AbortSignal.timeout(60000) });
    if (!answer.ok || answer.redirected) { throw new Error(answer.statusText); }
    part.innerHTML = await answer.text();
    localise(part);
  } catch {
    part.innerHTML = '<p class="waiting failed" role="alert">This could not be loaded. </p>';
    link.href = from;
    link.textContent = "Try again";
    part.firstChild.append(link);
    part.dataset.from = from;
  }
  for (const mark of part.querySelectorAll("[data-day]")) {
    document.getElementById(mark.dataset.day)?.querySelector("summary")?.append(" ", mark.cloneNode(true));
  }
}
document.addEventListener("toggle", (event) => {
  const part = event.target.querySelector?.("[data-from]");
  if (part && event.target.open) { load(part); }
}, true);
document.addEventListener("click", (event) => {
  const part = event.target.closest?.(".failed a")?.closest("[data-from]");
  if (part) { event.preventDefault(); load(part); }
});
for (const part of document.querySelectorAll("[data-now]")) { load(part); }

// A part that is looked at again and again, as long as the page is seen.
for (const part of document.querySelectorAll("[data-again]")) {
  setInterval(async () => {
    if (document.hidden || part.contains(document.activeElement) || part.querySelector("details[open]")) { return; }
    try {
      const answer = await fetch(part.dataset.again, { headers: { "x-fragment": "1" } });
      if (answer.ok && !answer.redirected) { part.innerHTML = await answer.text(); localise(part); }
    } catch { /* the next look may succeed */ }
  }, Number(part.dataset.every));
}

// Rows that arrive by themselves.
for (const feed of document.querySelectorAll("[data-feed]")) {
  const sign = document.getElementById("live"), pause = document.getElementById("pause");
  const most = 200;
  let held = [], isPaused = false;
  const show = () => {
    document.getElementById("nothing")?.remove();
    for (const html of held.splice(0)) {
      const made = document.createElement("template");
      made.innerHTML = html;
      const row = made.content.firstElementChild;
      document.getElementById(row.id)?.remove();
      row.classList.add("new");
      feed.prepend(row);
    }
    while (feed.children.length > most) { feed.lastElementChild.remove(); }
  };
  const say = (text, isOn) => { sign.textContent = text; sign.classList.toggle("on", isOn); };
  const stream = new EventSource(feed.dataset.feed);
  stream.onopen = () => { if (!isPaused) { say("Live", true); } };
  stream.onerror = () => say("Connecting again …", false);
  stream.addEventListener("row", (event) => {
    held = [...held, event.data].slice(-most);
    if (isPaused) { say(`Paused, ${held.length} waiting`, false); } else { show(); }
  });
  pause.hidden = false;
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", String(isPaused));
    pause.textContent = isPaused ? "Resume" : "Pause";
    if (isPaused) { say("Paused", false); } else { show(); say("Live", true); }
  });
}

// A command to copy.
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) { return; }
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(button.previousElementSibling);
  }
});
for (const button of document.querySelectorAll("[data-copy]")) { button.hidden = false; }
