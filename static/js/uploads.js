// Files of a corpus on their way to the server, by the tus protocol: each goes on where it was when it was interrupted.
(() => {
  const CHUNK_BYTES = 16_000_000; // a request at a time: proxies limit bodies
  const AT_ONCE = 2;
  const RETRIES = [0, 1000, 3000, 5000, 10000, 20000, 30000]; // milliseconds; a lock of a dead connection goes after 30 s
  const box = document.getElementById("uploads");
  if (!box) return;
  const list = document.getElementById("upload-list");
  const token = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
  const waiting = [];
  let active = 0;

  const size = (bytes) => {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let unit = 0;
    while (bytes >= 1000 && unit < units.length - 1) (bytes /= 1000), unit++;
    return `${unit && bytes < 100 ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
  };

  const line = (name) => {
    const item = document.createElement("li");
    const head = document.createElement("div");
    const words = document.createElement("span");
    const bar = document.createElement("progress");
    const title = document.createElement("strong");
    head.className = "progress-line";
    bar.className = "bar";
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute("aria-label", `Upload of ${name}`);
    title.textContent = name;
    words.textContent = "waiting";
    head.append(title, words);
    item.append(head, bar);
    list.append(item);
    return { item, words, bar };
  };

  const said = (error) => error.originalResponse?.getBody() || "The server cannot be reached. Choose the file again to go on.";

  const next = () => {
    while (active < AT_ONCE && waiting.length) {
      active++;
      waiting.shift()();
    }
  };

  const ended = () => {
    active--;
    next();
    htmx.trigger(document.body, "uploads-changed");
  };

  const add = (file) => {
    const name = file.webkitRelativePath || file.name;
    const shown = line(name);
    const upload = new tus.Upload(file, {
      endpoint: box.dataset.endpoint,
      chunkSize: CHUNK_BYTES,
      retryDelays: RETRIES,
      headers: { "X-CSRFToken": token },
      metadata: { filename: name, version: box.dataset.version },
      removeFingerprintOnSuccess: true,
      fingerprint: () => Promise.resolve(["rpt", box.dataset.version, name, file.size, file.lastModified].join("|")),
      onProgress: (sent, total) => {
        shown.bar.value = total ? sent / total : 1;
        shown.words.textContent = `${size(sent)} of ${size(total)}`;
      },
      onSuccess: () => {
        shown.item.remove();
        ended();
      },
      onError: (error) => {
        shown.words.textContent = said(error);
        shown.item.classList.add("failed");
        ended();
      },
    });
    waiting.push(async () => {
      const before = await upload.findPreviousUploads();
      if (before.length) upload.resumeFromPreviousUpload(before[0]);
      upload.start();
    });
  };

  for (const field of box.querySelectorAll("input[type=file]")) {
    field.addEventListener("change", () => {
      [...field.files].forEach(add);
      field.value = "";
      next();
    });
  }

  window.addEventListener("beforeunload", (event) => {
    if (active) event.preventDefault();
  });
})();
