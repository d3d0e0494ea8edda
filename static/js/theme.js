// Sets the theme before the first paint: the remembered choice, or what the system prefers ("auto").
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  const stored = () => {
    try {
      return localStorage.getItem("theme") ?? "auto";
    } catch {
      return "auto"; // storage may be blocked
    }
  };
  const apply = () => {
    const choice = stored();
    const theme = choice === "auto" ? (system.matches ? "dark" : "light") : choice;
    if (root.dataset.bsTheme === theme) return;
    root.dataset.bsTheme = theme;
    document.dispatchEvent(new CustomEvent("themechange"));
  };

  window.theme = {
    stored,
    choose(choice) {
      try {
        localStorage.setItem("theme", choice);
      } catch {
        // the choice then holds for this page only
      }
      apply();
    },
  };
  // Paper is light. The theme comes back afterwards.
  window.addEventListener("beforeprint", () => {
    if (root.dataset.bsTheme === "light") return;
    root.dataset.bsTheme = "light";
    document.dispatchEvent(new CustomEvent("themechange"));
  });
  window.addEventListener("afterprint", apply);
  system.addEventListener("change", apply);
  apply();
})();
