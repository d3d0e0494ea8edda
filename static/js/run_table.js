// The table of runs: columns are moved and taken over from what was found; a condition is put together of its parts.
(() => {
  const chosen = () => document.querySelector("[data-chosen]");

  const button = (label, words, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "btn btn-quiet btn-small";
    made.textContent = label;
    made.setAttribute("aria-label", words);
    made.addEventListener("click", act);
    return made;
  };

  const equip = (item) => {
    const name = item.querySelector("label").textContent.trim();
    const move = (up) => (event) => {
      const other = up ? item.previousElementSibling : item.nextElementSibling;
      if (other) (up ? other.before(item) : other.after(item));
      event.currentTarget.focus();
    };
    item.append(button("↑", `Move ${name} to the left`, move(true)), button("↓", `Move ${name} to the right`, move(false)));
  };

  const mark = () => {
    const names = new Set([...chosen().querySelectorAll("input")].map((box) => box.value));
    for (const box of document.querySelectorAll("input[data-column]")) {
      box.closest("label").hidden = names.has(box.value);
      box.disabled = names.has(box.value);
    }
  };

  document.addEventListener("change", (event) => {
    if (!event.target.matches("input[data-column]") || !event.target.checked) return;
    const label = event.target.closest("label").cloneNode(true);
    label.querySelector("input").removeAttribute("data-column");
    label.querySelector("input").checked = true;
    const item = document.createElement("li");
    item.append(label);
    chosen().append(item);
    equip(item);
    mark();
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "found-columns") mark();
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const search = form.querySelector("#column-search");
    if (search) search.disabled = true; // it asks for columns, not for runs
    if (form.matches("[data-where-form]")) {
      const part = (name) => form.querySelector(`[data-where="${name}"]`);
      const [column, value] = [part("column"), part("value")];
      for (const field of [column, value]) field.setCustomValidity(field.value.trim() ? "" : "Fill this in.");
      if (!form.reportValidity()) {
        event.preventDefault();
        return;
      }
      const text = document.createElement("input");
      text.type = "hidden";
      text.name = "where";
      text.value = `${column.value.trim()}${part("operator").value}${value.value.trim()}`;
      form.append(text);
    } else if (form.matches("[data-group-form]")) {
      const field = form.querySelector("[name=group]");
      field.disabled = !field.value.trim();
    }
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-where]")) event.target.setCustomValidity("");
  });

  // An open panel closes with Escape and with a click beside it.
  document.addEventListener("click", (event) => {
    for (const open of document.querySelectorAll("details[data-closes][open]")) {
      if (!open.contains(event.target) && event.target.isConnected) open.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && document.querySelector("details[data-closes][open]");
    if (open) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  });
  document.addEventListener("toggle", (event) => {
    if (event.target.matches?.("details[data-closes][open]")) htmx.trigger("#column-search", "focus");
  }, true);

  document.addEventListener("DOMContentLoaded", () => {
    for (const item of chosen()?.children ?? []) equip(item);
  });
})();
