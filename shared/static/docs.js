// A separate file, because the pages' Content-Security-Policy forbids inline scripts.
const element = document.getElementById("swagger-ui");
const address = new URL(element.dataset.document, location.href);

const answer = await fetch(address);
const spec = await answer.json();
// The document contains the mount that this app knows. The page's own address contains the mount that the
// browser uses, also behind a proxy that removes a further prefix.
spec.servers = [{ url: new URL(".", address).href.replace(/\/$/, "") }];

SwaggerUIBundle({
  domNode: element,
  spec,
  layout: "BaseLayout",
  deepLinking: true,
  // Without this, Swagger UI requests a badge from validator.swagger.io.
  validatorUrl: null,
});
