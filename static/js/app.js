// Behaviour that every page shares: theme buttons, menus, dialogs, copy buttons, times in words, self-sending filters.
(() => {
  const showTheme = () => {
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === window.theme.stored()));
    }
  };

  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copy);
    const label = button.querySelector("[data-label-text]");
    const before = label.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      label.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source); // without clipboard access (plain HTTP) the text is selected instead
      label.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => (label.textContent = before), 2000);
  };

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-theme-choice], [data-dialog], [data-dialog-close], [data-copy]");
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
    if (!target) return;
    if (target.dataset.themeChoice) {
      window.theme.choose(target.dataset.themeChoice);
      showTheme();
    } else if (target.dataset.dialog) {
      document.getElementById(target.dataset.dialog)?.showModal();
    } else if (target.dataset.copy) {
      copy(target);
    } else {
      target.closest("dialog")?.close();
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
      return;
    }
    const typing = event.target.closest("input, select, textarea, dialog[open]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`)?.click();
  });

  // A double click sends a form once.
  const sent = new WeakMap();
  document.addEventListener("submit", (event) => {
    const [button, at] = sent.get(event.target) ?? [];
    if (event.target.method !== "post" || event.defaultPrevented) return;
    if (at && button === event.submitter && performance.now() - at < 1500) event.preventDefault();
    else sent.set(event.target, [event.submitter, performance.now()]);
  });

  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-send-on-change]");
    if (form) form.requestSubmit();
  });

  const UNITS = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]];
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const relative = (seconds) => {
    for (const [unit, length] of UNITS) {
      if (Math.abs(seconds) >= length) return words.format(Math.trunc(seconds / length), unit);
    }
    return Math.abs(seconds) < 10 ? "just now" : words.format(Math.trunc(seconds), "second");
  };
  const showTimes = (root = document) => {
    for (const time of root.querySelectorAll("time[data-relative]")) {
      const text = relative((Date.parse(time.dateTime) - Date.now()) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
  };

  // From an error to the field that is meant, out of a fold that is closed, too.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-to-field]");
    const field = link && document.getElementById(link.hash.slice(1));
    if (!field) return;
    event.preventDefault();
    for (let fold = field.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    field.focus();
  });

  // On a narrow screen a form of filters begins folded; a wide one has no line to open it with, so there it is open.
  const narrow = matchMedia("(max-width: 720px)");
  const foldNarrow = () => {
    for (const fold of document.querySelectorAll("details.narrow-fold")) {
      fold.open = !(narrow.matches && fold.hasAttribute("data-fold-narrow"));
    }
  };
  narrow.addEventListener("change", foldNarrow);

  document.addEventListener("DOMContentLoaded", () => {
    foldNarrow();
    document.querySelector("[data-focus]")?.focus(); // what came of a check, or why nothing was submitted; #checked means the same
    showTheme();
    showTimes();
    setInterval(showTimes, 1000);
  });
  // What waits for a job shows what came of it.
  document.addEventListener("job-ended", () => {
    if (document.querySelector("[data-reload-on=job-ended]")) location.reload();
  });
  document.addEventListener("htmx:afterSwap", (event) => showTimes(event.target.parentElement ?? document));
})();
