/** A choice of colours. */
export type Theme = "light" | "dark" | "system";

const STORED = "sakimori.theme";
const DARK_CLASS = "pf-v6-theme-dark";
const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");

/** The choice made here before, else the device's. */
export function currentTheme(): Theme {
  const stored = localStorage.getItem(STORED);
  return stored === "light" || stored === "dark" ? stored : "system";
}

function apply(): void {
  const theme = currentTheme();
  const dark = theme === "dark" || (theme === "system" && prefersDark.matches);
  document.documentElement.classList.toggle(DARK_CLASS, dark);
}

/** Shows the chosen colours and follows the device where that was chosen. */
export function startTheme(): void {
  apply();
  prefersDark.addEventListener("change", apply);
}

/** Chooses colours, also for the next visit. */
export function chooseTheme(theme: Theme): void {
  if (theme === "system") localStorage.removeItem(STORED);
  else localStorage.setItem(STORED, theme);
  apply();
}
