// Fetching a file through its signed link.

/** Starts the browser's download of `link`. Only web addresses are followed. */
export function download(link) {
  const url = new URL(link, location.origin);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw new Error("The server gave no link that can be followed.");
  const anchor = document.createElement("a");
  anchor.href = url.href;
  anchor.download = "";
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}
