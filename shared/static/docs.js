// A file of its own, since the pages' Content-Security-Policy allows no inline script.
const element = document.getElementById("swagger-ui");

SwaggerUIBundle({
  domNode: element,
  url: element.dataset.document,
  layout: "BaseLayout",
  deepLinking: true,
  // Without this Swagger UI asks validator.swagger.io for a badge.
  validatorUrl: null,
});
