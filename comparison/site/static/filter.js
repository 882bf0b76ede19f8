// Filters the rows of a table by the words in a box, and keeps the words in the address (`?filter=...`).
const form = document.querySelector(".filter");
const box = form.querySelector("input");
const told = form.querySelector("output");
const rows = [...document.querySelectorAll("[data-filtered]")];
const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));

function filter() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows) row.hidden = !words.every((word) => texts.get(row).includes(word));
  for (const group of document.querySelectorAll("[data-filtered-group]")) {
    group.hidden = !group.querySelector("[data-filtered]:not([hidden])");
  }
  const shown = rows.filter((row) => !row.hidden).length;
  told.textContent = words.length ? `${shown} of ${rows.length}` : "";
}

function read() {
  box.value = new URLSearchParams(location.search).get("filter") ?? "";
  filter();
}

box.addEventListener("input", () => {
  filter();
  const address = new URL(location.href);
  if (box.value.trim()) address.searchParams.set("filter", box.value.trim());
  else address.searchParams.delete("filter");
  history.replaceState(null, "", address);
});
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("pageshow", read);
addEventListener("popstate", read);
form.hidden = false;
read();
// Rows that were hidden after the browser went to the case moved it.
document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
