// Ctrl+K finds anything; ? shows the keys of the page: those of links with data-key, and those that the page lists.
(() => {
  const dialog = document.getElementById("find");
  const text = document.getElementById("find-text");
  const list = document.getElementById("find-list");
  const none = dialog.querySelector(".find-none");
  let isAwaited = false;
  const options = () => [...list.querySelectorAll("[role=option]")];
  const NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };

  const choose = (option) => {
    for (const other of options()) other.setAttribute("aria-selected", String(other === option));
    if (option) {
      text.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else {
      text.removeAttribute("aria-activedescendant");
    }
  };
  const chosen = () => list.querySelector("[aria-selected=true]");
  const move = (by) => {
    const found = options();
    if (!found.length) return;
    const at = found.indexOf(chosen());
    choose(found[(at + by + found.length) % found.length]);
  };
  const open = () => {
    if (document.querySelector("dialog[open]")) return;
    dialog.showModal();
    text.select();
    text.dispatchEvent(new Event("find-opened"));
  };

  const keysOfPage = () => {
    const rows = [];
    for (const link of document.querySelectorAll("a[data-key]")) {
      const words = link.getAttribute("aria-label") || link.title || link.textContent;
      rows.push([NAMES[link.dataset.key] ?? link.dataset.key, words.trim()]);
    }
    for (const listed of document.querySelectorAll("[data-keys-of-page] > [data-is-key]")) {
      rows.push([listed.dataset.isKey, listed.textContent.trim()]);
    }
    return rows;
  };
  const showKeys = () => {
    if (document.querySelector("dialog[open]")) return;
    const pairs = document.querySelector("#keys [data-keys]");
    for (const old of pairs.querySelectorAll("[data-own]")) old.remove();
    for (const [key, words] of keysOfPage()) {
      const [dt, dd, kbd] = ["dt", "dd", "kbd"].map((name) => document.createElement(name));
      kbd.textContent = key;
      dt.append(kbd);
      dd.textContent = words;
      for (const node of [dt, dd]) node.dataset.own = "";
      pairs.append(dt, dd);
    }
    document.getElementById("keys").showModal();
  };

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
    } else if (event.key === "?" && !event.ctrlKey && !event.metaKey && !event.altKey) {
      if (!event.target.closest("input, select, textarea, [contenteditable]")) showKeys();
    }
  });
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-find], [data-show-keys]");
    if (opener) (opener.hasAttribute("data-find") ? open : showKeys)();
    else if (event.target === dialog) dialog.close(); // the dialog itself is hit only beside what it holds
  });
  text.addEventListener("input", () => (isAwaited = false));
  text.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (list.dataset.for === text.value.trim()) chosen()?.click();
      else isAwaited = true; // what was found is for other words; the answer to these is on its way
    }
  });
  list.addEventListener("htmx:afterSwap", (event) => {
    list.dataset.for = (event.detail.requestConfig.parameters.q ?? "").trim();
    none.hidden = options().length > 0;
    choose(options()[0]);
    if (!isAwaited || list.dataset.for !== text.value.trim()) return;
    isAwaited = false;
    chosen()?.click();
  });
})();
