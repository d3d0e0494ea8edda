// Passkeys: a form with data-passkey asks the browser to make one ("create") or to use one ("get"), and posts its answer.
// What is asked for stands in the page under the id in data-options, or comes from where the form goes.
(() => {
  const WORDS = {
    NotAllowedError: "Nothing was done: you cancelled, it took too long, or there is no passkey for this address.",
    InvalidStateError: "This device has a passkey of yours already.",
    SecurityError: "The browser allows no passkeys at this address.",
  };
  const OLD = "This browser knows no passkeys. Take a newer one, or another way.";

  const asked = async (form) => {
    const script = document.getElementById(form.dataset.options);
    if (script) return JSON.parse(script.textContent);
    const response = await fetch(form.action, { headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(response.status === 429 ? "There have been too many attempts. Wait some minutes." : "");
    return (await response.json()).request_options;
  };

  const answered = async (form) => {
    const { publicKey } = await asked(form);
    return form.dataset.passkey === "create"
      ? navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) })
      : navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });
  };

  const say = (form, words) => {
    const note = form.querySelector(".note") ?? document.createElement("div");
    note.className = "note red";
    note.setAttribute("role", "alert");
    note.textContent = words;
    form.querySelector("button[type=submit]").before(note);
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) return say(form, OLD);
      try {
        form.elements.credential.value = JSON.stringify((await answered(form)).toJSON());
        form.submit();
      } catch (error) {
        say(form, WORDS[error.name] ?? (error.message || "The passkey could not be used. Try again."));
      }
    });
  }
})();
