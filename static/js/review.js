// The reviewer's page by keyboard: labels by their keys, drafts that are saved by themselves, the time it was in sight.
// The page of a decision uses it, too; it saves no drafts.
// A draft names the version that it began with; the server refuses it when another tab has changed the review since.
(() => {
  const form = document.getElementById("review");
  if (!form || !form.hasAttribute("data-open")) return;
  const questions = [...form.querySelectorAll(".question")];
  const saved = document.getElementById("saved");
  const refused = document.getElementById("refused");
  const note = form.elements.note;
  const undone = [];
  let version = Number(form.dataset.version);
  let seconds = Number(form.dataset.seconds);
  let since = document.hidden ? null : performance.now();
  let current = 0;
  let isDirty = false;
  let isLeaving = false;
  let timer = null;
  let sending = Promise.resolve();

  const inSight = () => seconds + (since === null ? 0 : (performance.now() - since) / 1000);
  document.addEventListener("visibilitychange", () => {
    seconds = inSight();
    since = document.hidden ? null : performance.now();
    if (document.hidden) send(); // the page may not come back
  });

  const answerOf = (question) => {
    const { question: name, kind } = question.dataset;
    const inputs = [...question.querySelectorAll("input, textarea")];
    if (kind === "text") return [name, inputs[0].value];
    const chosen = inputs.filter((input) => input.checked).map((input) => input.value);
    if (kind === "several") return [name, chosen];
    return [name, kind === "scale" && chosen.length ? Number(chosen[0]) : (chosen[0] ?? "")];
  };
  const content = () => ({
    answers: Object.fromEntries(questions.map(answerOf)),
    note: note.value,
    flagged: form.elements.flagged?.checked ?? false,
  });
  let before = content();

  const leave = () => {
    isLeaving = true;
    form.submit();
  };
  // What is not saved yet stays in this browser, too, so that neither a crash nor a login that has ended loses it.
  const STASH = form.dataset.draft && `review ${form.dataset.user} ${form.dataset.draft}`;
  const stash = () => {
    try {
      if (STASH) localStorage.setItem(STASH, JSON.stringify({ version, content: content() }));
    } catch {} // a browser that keeps nothing
  };
  const unstash = () => {
    try {
      const kept = JSON.parse(localStorage.getItem(STASH) ?? "null");
      localStorage.removeItem(STASH);
      return kept?.version === version ? kept.content : null;
    } catch {
      return null;
    }
  };
  const say = (words) => (saved.textContent = words);
  const refuse = (words) => {
    refused.textContent = words;
    refused.hidden = false;
  };

  // One request at a time, so that versions follow one another; what is sent again after a loss is the same content.
  let unanswered = null;
  const post = async (isSubmit) => {
    if (!isDirty && !isSubmit && !unanswered) return null;
    const body = unanswered && !isSubmit ? unanswered : { version, ...content(), seconds: inSight(), submit: isSubmit };
    if (!unanswered || isSubmit) isDirty = false;
    unanswered = body;
    say(isSubmit ? "submitting…" : "saving…");
    const answer = await fetch(form.dataset.draft, {
      method: "POST",
      keepalive: true,
      headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
      body: JSON.stringify(body),
    });
    unanswered = null;
    const isTold = answer.headers.get("Content-Type")?.startsWith("application/json");
    const told = isTold ? await answer.json() : {};
    if (!answer.ok || !isTold) {
      const words = "You are logged out, or the page is too old. Reload it: what you entered is kept in this browser.";
      throw Object.assign(new Error(told.detail ?? words), { answer });
    }
    version = told.version;
    if (!isDirty && STASH) localStorage.removeItem(STASH);
    form.elements.version.value = version;
    refused.hidden = true;
    say("saved");
    return told;
  };
  const send = (isSubmit = false) => {
    clearTimeout(timer);
    if (!form.dataset.draft) return isSubmit ? leave() : null;
    sending = sending.then(async () => {
      try {
        const told = await post(isSubmit);
        if (isSubmit && told) {
          isLeaving = true;
          location.assign(told.next);
        } else if (isDirty) {
          later();
        }
      } catch (error) {
        if (!error.answer) {
          isDirty = true;
          say("no connection: it is kept here and sent again");
          timer = setTimeout(() => send(isSubmit), 2000);
        } else if (error.answer.status === 409) {
          isDirty = false;
          isLeaving = true;
          unstash();
          location.reload(); // it then shows what was saved elsewhere
        } else {
          say("not saved");
          stash();
          refuse(error.message);
        }
      }
    });
    return sending;
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(() => send(), 600);
  };

  const changed = () => {
    undone.push(before);
    before = content();
    isDirty = true;
    stash();
    later();
  };
  form.addEventListener("change", changed);
  form.addEventListener("input", (event) => {
    if (event.target.matches("textarea")) {
      isDirty = true;
      stash();
      later();
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(true);
  });
  addEventListener("beforeunload", (event) => {
    if (isDirty && !isLeaving) event.preventDefault();
  });

  const put = (old) => {
    for (const question of questions) {
      const answer = old.answers[question.dataset.question];
      for (const input of question.querySelectorAll("input, textarea")) {
        if (input.type === "textarea") input.value = answer;
        else input.checked = [answer].flat().map(String).includes(input.value);
      }
    }
    note.value = old.note;
    if (form.elements.flagged) form.elements.flagged.checked = old.flagged;
    before = old;
    isDirty = true;
    later();
  };
  const undo = () => {
    if (undone.length) put(undone.pop());
    else document.getElementById("take-back")?.requestSubmit();
  };

  const show = (place, isFirst = false) => {
    current = Math.min(Math.max(place, 0), questions.length - 1);
    questions.forEach((question, index) => question.classList.toggle("current", index === current));
    if (isFirst) return; // the text is to be read first
    const text = questions[current].querySelector("textarea");
    if (text) text.focus();
    else if (document.activeElement?.matches("textarea")) document.activeElement.blur();
    questions[current].scrollIntoView({ block: "nearest" });
  };
  form.addEventListener("focusin", (event) => {
    const place = questions.indexOf(event.target.closest(".question"));
    if (place >= 0 && place !== current) {
      current = place;
      questions.forEach((question, index) => question.classList.toggle("current", index === current));
    }
  });

  const choose = (key) => {
    const found = questions[current].querySelector(`[data-label-key="${CSS.escape(key)}"]`);
    if (found) found.click();
    return found;
  };
  const KEYS = {
    ArrowUp: () => show(current - 1),
    ArrowDown: () => show(current + 1),
    Enter: () => show(current + 1),
    u: undo,
    f: () => form.elements.flagged?.click(),
    c: () => note.focus(),
  };
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      send(true);
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isTyping = event.target.closest("textarea, select, input[type=text], input[type=search]");
    if (isTyping) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.target.closest("a, button, summary") && event.key === "Enter") return;
    const act = KEYS[event.key];
    if (act || choose(event.key)) {
      event.preventDefault();
      act?.();
    }
  });
  show(0, true);
  const kept = STASH && unstash();
  if (kept) put(kept);
})();
