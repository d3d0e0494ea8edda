// Alt with an arrow moves the part of a report that has the focus, by its own buttons; the focus stays with it.
(() => {
  const KEYS = { ArrowUp: "up", ArrowDown: "down" };

  document.addEventListener("keydown", (event) => {
    const part = event.target.closest("[data-part]");
    if (!part || !event.altKey || !(event.key in KEYS) || event.target.closest("textarea, input")) return;
    event.preventDefault();
    const button = part.querySelector(`[data-move="${KEYS[event.key]}"]`);
    if (button && !button.disabled) button.click();
  });

  document.addEventListener("DOMContentLoaded", () => {
    if (location.hash.startsWith("#part-of-")) document.getElementById(location.hash.slice(1))?.focus();
  });
})();
