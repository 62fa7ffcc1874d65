// Draws every picture in the colours of the page, and again when these change.
const { themes, specs } = JSON.parse(document.getElementById("pictures").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const drawn = {};

async function draw(id, theme) {
  const spec = { ...specs[id], config: themes[theme] };
  const options = { actions: false, renderer: "svg", tooltip: { theme, disableDefaultStyle: false } };
  drawn[id]?.finalize();
  drawn[id] = await vegaEmbed(document.getElementById(id), spec, options);
}

async function drawAll(theme) {
  await document.fonts?.ready;
  for (const id of Object.keys(specs)) await draw(id, theme);
  document.documentElement.dataset.drawn = theme;
}

dark.addEventListener("change", () => drawAll(dark.matches ? "dark" : "light"));
drawAll(dark.matches ? "dark" : "light");
