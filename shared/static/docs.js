// A file of its own, since the pages' Content-Security-Policy allows no inline script.
const element = document.getElementById("swagger-ui");
const address = new URL(element.dataset.document, location.href);

const answer = await fetch(address);
const spec = await answer.json();
// The document names the mount as this app knows it; the page's own address is where the browser finds it,
// even behind a proxy that takes off a further prefix.
spec.servers = [{ url: new URL(".", address).href.replace(/\/$/, "") }];

SwaggerUIBundle({
  domNode: element,
  spec,
  layout: "BaseLayout",
  deepLinking: true,
  // Without this Swagger UI asks validator.swagger.io for a badge.
  validatorUrl: null,
});
