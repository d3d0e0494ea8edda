// Lists whose rows can be ticked: several with Shift, all at once, and no refresh of the list of runs while something is
// ticked or chosen. A page may have several such lists, each with ticks of its own.
(() => {
  const AREA = "#runs, [data-picks]";
  const boxes = (area) => (area ? [...area.querySelectorAll("input[data-pick]")] : []);
  const picked = (area) => boxes(area).filter((box) => box.checked).length;
  let last = null;

  const show = (area) => {
    const count = picked(area);
    const words = document.querySelector("[data-picked-count]");
    if (words && count) words.textContent = count === 1 ? "With the ticked run:" : `With the ${count} ticked runs:`;
    const rows = area.querySelector("[data-picked-rows]");
    if (rows) rows.textContent = count ? `the ${count === 1 ? "ticked row" : `${count} ticked rows`}` : rows.dataset.pickedRows;
    const all = area.querySelector("input[data-pick-all]");
    if (all) {
      all.checked = count > 0 && count === boxes(area).length;
      all.indeterminate = count > 0 && count < boxes(area).length;
    }
  };
  const showAll = () => document.querySelectorAll(AREA).forEach(show);

  document.addEventListener("click", (event) => {
    const area = event.target.closest?.(AREA);
    if (!area) return;
    if (event.target.matches("input[data-pick-all]")) {
      for (const box of boxes(area)) box.checked = event.target.checked;
    } else if (event.target.matches("input[data-pick]")) {
      const every = boxes(area);
      if (event.shiftKey && last && every.includes(last)) {
        const [from, to] = [every.indexOf(last), every.indexOf(event.target)].sort((a, b) => a - b);
        for (const box of every.slice(from, to + 1)) box.checked = event.target.checked;
      }
      last = event.target;
    } else {
      return;
    }
    show(area);
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    const busy = picked(document.getElementById("runs")) || document.activeElement?.matches("#runs select");
    if (event.target.id === "runs" && busy) event.preventDefault();
  });
  document.addEventListener("htmx:afterSwap", showAll);
  document.addEventListener("DOMContentLoaded", showAll);
  addEventListener("pageshow", showAll); // a browser that goes back keeps the ticks
})();
