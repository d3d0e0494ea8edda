// The list of runs: ticking several with Shift, all at once, and no refresh while something is ticked or chosen.
(() => {
  const boxes = () => [...document.querySelectorAll("#runs input[data-pick]")];
  const picked = () => boxes().filter((box) => box.checked).length;
  let last = null;

  const show = () => {
    const count = picked();
    const words = document.querySelector("[data-picked-count]");
    if (words && count) words.textContent = count === 1 ? "With the ticked run:" : `With the ${count} ticked runs:`;
    const all = document.querySelector("#runs input[data-pick-all]");
    if (all) {
      all.checked = count > 0 && count === boxes().length;
      all.indeterminate = count > 0 && count < boxes().length;
    }
  };

  document.addEventListener("click", (event) => {
    if (event.target.matches("input[data-pick-all]")) {
      for (const box of boxes()) box.checked = event.target.checked;
    } else if (event.target.matches("input[data-pick]")) {
      const every = boxes();
      if (event.shiftKey && last && every.includes(last)) {
        const [from, to] = [every.indexOf(last), every.indexOf(event.target)].sort((a, b) => a - b);
        for (const box of every.slice(from, to + 1)) box.checked = event.target.checked;
      }
      last = event.target;
    } else {
      return;
    }
    show();
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    const busy = picked() || document.activeElement?.matches("#runs select");
    if (event.target.id === "runs" && busy) event.preventDefault();
  });
  document.addEventListener("htmx:afterSwap", show);
  document.addEventListener("DOMContentLoaded", show);
  addEventListener("pageshow", show); // a browser that goes back keeps the ticks
})();
