/* A widget's page says how high it is (see ikebook/widgets/browser/page.js): its frame becomes as high. */

addEventListener("message", ({ data, source }) => {
  if (!Number.isFinite(data?.ikebookHeight)) return;
  for (const frame of document.querySelectorAll("iframe")) {
    if (frame.contentWindow === source) frame.style.height = `${data.ikebookHeight + 4}px`;
  }
});
