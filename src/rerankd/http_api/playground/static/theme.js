// The theme that its visitor chose, before anything is painted; so this is no module.
(() => {
  const NAME = "rerankd.theme";
  const root = document.documentElement;
  try {
    const kept = localStorage.getItem(NAME);
    if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  } catch {
    // Storage is off: the system's theme holds.
  }

  const shown = () =>
    root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const tell = () => {
      const other = shown() === "dark" ? "light" : "dark";
      button.setAttribute("aria-label", `Switch to the ${other} theme`);
      button.title = `Switch to the ${other} theme`;
    };
    button.addEventListener("click", () => {
      root.dataset.theme = shown() === "dark" ? "light" : "dark";
      try {
        localStorage.setItem(NAME, root.dataset.theme);
      } catch {
        // It holds until the page is left.
      }
      tell();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
    tell();
  });
})();
