// Asks every app for its greeting, as whoever is looking. Without an answer the place stays hidden.
for (const place of document.querySelectorAll("[data-address]")) {
  fetch(place.dataset.address, { headers: { Accept: "application/json" } })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status)))
    .then(({ message }) => {
      place.textContent = `It says: ${message}`;
      place.hidden = false;
    })
    .catch(() => {});
}
