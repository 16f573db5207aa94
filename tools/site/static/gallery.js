// Shows the models that have the chosen data, size, license and method; the address keeps the choice.
addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("form.filters");
  if (!form) return;
  const models = [...document.querySelectorAll(".gallery .model")];
  const chosen = new URLSearchParams(location.hash.slice(1));
  for (const select of form.elements) if (chosen.has(select.name)) select.value = chosen.get(select.name);

  function show() {
    const wanted = [...new FormData(form)].filter(([, value]) => value);
    for (const model of models) model.hidden = !wanted.every(([name, value]) => model.dataset[name] === value);
    const shown = models.filter((model) => !model.hidden).length;
    form.querySelector("output").textContent = `${shown} ${shown === 1 ? "model" : "models"}`;
    history.replaceState(null, "", wanted.length ? `#${new URLSearchParams(wanted)}` : location.pathname);
  }
  form.addEventListener("change", show);
  if ([...chosen].length) show();
});
