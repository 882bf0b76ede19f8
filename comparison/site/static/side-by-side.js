// Keeps the chosen columns in the address (`?with=fastapi,quart`), and adds buttons that copy a section.
const boxes = [...document.querySelectorAll(".switch input")];
const told = document.querySelector(".told");
const LEAST = 2;

function show() {
  const wanted = new URLSearchParams(location.search).get("with")?.split(",") ?? [];
  const known = boxes.filter((box) => wanted.includes(box.value));
  const shown = known.length >= LEAST ? known : boxes;
  for (const box of boxes) box.checked = shown.includes(box);
}

function chosen(event) {
  const shown = boxes.filter((box) => box.checked);
  if (shown.length < LEAST) {
    event.target.checked = true;
    told.textContent = `At least ${LEAST} columns stay.`;
    return;
  }
  told.textContent = "";
  const address = new URL(location.href);
  address.search = shown.length === boxes.length ? "" : `?with=${shown.map((box) => box.value).join(",")}`;
  history.pushState(null, "", address);
}

function addCopyButtons() {
  for (const head of document.querySelectorAll(".head")) {
    const button = document.createElement("button");
    const title = head.querySelector("h3").textContent;
    const section = head.closest("section").querySelector("h2").textContent;
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy ${section} in ${title}`);
    button.addEventListener("click", async () => {
      const lines = [...head.parentElement.querySelectorAll("pre [data-n]")];
      await navigator.clipboard.writeText(lines.map((line) => line.textContent).join(""));
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
    head.append(button);
  }
}

// On a telephone the code comes first, and the contract's sentences are one touch away.
if (matchMedia("(width < 48rem)").matches) {
  for (const each of document.querySelectorAll(".must")) each.open = false;
}
show();
for (const box of boxes) box.addEventListener("change", chosen);
addEventListener("popstate", show);
addEventListener("pageshow", show);
// navigator.clipboard exists only on https, on loopback and in files.
if (navigator.clipboard) addCopyButtons();
// Columns that were hidden after the browser went to the section moved it.
document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
