// Requests the greeting of every app as the current user. If a request fails, its element stays hidden.
for (const place of document.querySelectorAll("[data-address]")) {
  fetch(place.dataset.address, { headers: { Accept: "application/json" } })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status)))
    .then(({ message }) => {
      place.textContent = `Greeting: ${message}`;
      place.hidden = false;
    })
    .catch(() => {});
}
