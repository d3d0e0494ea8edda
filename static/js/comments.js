// Comments on a response: passages of threads are marked in the text and lead to them; a selected passage can be
// commented on. Places are code points of the whole response; what stands written out (\x1B for one character, the
// box with its signs) counts as what it stands for.
(() => {
  const section = document.getElementById("comments");
  const texts = [...document.querySelectorAll("[data-passages]")];
  if (!section || !texts.length) return;
  const form = document.getElementById("new-comment");
  const length = (text) => [...text].length;

  // A place in the shown text, in code points <-> a place in the response. Within a sign: its start, or its end.
  const signsOf = (text) => {
    const signs = JSON.parse(text.dataset.signs);
    const isShort = length(text.textContent) < Number(text.dataset.shown); // a pre leaves out a first line break
    return isShort ? [[Number(text.dataset.passages), 1, 0], ...signs] : signs;
  };
  const toResponse = (text, shown, isEnd) => {
    let at = Number(text.dataset.passages);
    let seen = 0;
    for (const [place, size, width] of signsOf(text)) {
      if (shown <= seen + (place - at)) break;
      seen += place - at;
      at = place;
      if (shown < seen + width) return isEnd ? place + size : place;
      seen += width;
      at = place + size;
    }
    return at + (shown - seen);
  };
  const toShown = (text, wanted, isEnd) => {
    let at = Number(text.dataset.passages);
    let seen = 0;
    for (const [place, size, width] of signsOf(text)) {
      if (wanted <= place) break;
      seen += place - at;
      if (wanted < place + size) return isEnd ? seen + width : seen;
      seen += width;
      at = place + size;
    }
    return seen + (wanted - at);
  };

  const nodesOf = (text) => {
    const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) found.push(walker.currentNode);
    return found;
  };
  const unitsFor = (string, points) => {
    let units = 0;
    for (const character of string) {
      if (points-- <= 0) break;
      units += character.length;
    }
    return units;
  };

  const wrap = (node, from, to, thread, isFirst) => {
    const piece = from ? node.splitText(from) : node;
    if (to - from < piece.data.length) piece.splitText(to - from);
    const isLinked = piece.parentElement.closest("a"); // marks may overlap, links may not
    const mark = document.createElement(isLinked ? "mark" : "a");
    mark.className = "comment-mark";
    if (!isLinked) mark.href = `#comment-${thread}`;
    if (isFirst) mark.id = `passage-${thread}`;
    mark.title = "Commented on";
    piece.replaceWith(mark);
    mark.append(piece);
  };
  const markPassage = (text, from, to, thread) => {
    const start = toShown(text, from, false);
    const end = toShown(text, to, true);
    const size = length(text.textContent);
    if (start >= size || end <= 0) return;
    let at = 0;
    let isFirst = !document.getElementById(`passage-${thread}`);
    for (const node of nodesOf(text)) {
      const points = length(node.data);
      const [first, last] = [Math.max(0, start - at), Math.min(points, end - at)];
      at += points;
      if (first >= last) continue;
      wrap(node, unitsFor(node.data, first), unitsFor(node.data, last), thread, isFirst);
      isFirst = false;
    }
  };
  for (const thread of section.querySelectorAll("[data-thread]")) {
    const { from, to, thread: key } = thread.dataset;
    for (const text of texts) {
      if (Number(to) > Number(text.dataset.passages)) markPassage(text, Number(from), Number(to), key);
    }
  }
  // A long response comes in parts: what is in another one is shown there.
  for (const link of section.querySelectorAll(".passage a[href^='#passage-']")) {
    if (!document.getElementById(link.hash.slice(1))) link.search = `?from=${link.closest("[data-from]").dataset.from}`;
  }
  // The browser has looked for the mark of an address before there was one.
  if (location.hash.startsWith("#passage-")) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.comment-mark");
    const settled = link && document.querySelector(link.hash)?.closest("details.settled");
    if (settled) settled.open = true;
  });
  if (!form) return;

  const selected = () => {
    const selection = getSelection();
    if (!selection.rangeCount || selection.isCollapsed) return null;
    const range = selection.getRangeAt(0);
    const text = texts.find((found) => found.contains(range.startContainer) && found.contains(range.endContainer));
    if (!text) return null;
    const before = document.createRange();
    before.setStart(text, 0);
    before.setEnd(range.startContainer, range.startOffset);
    const first = length(before.toString());
    const last = first + length(range.toString());
    return { range, words: range.toString(), start: toResponse(text, first, false), end: toResponse(text, last, true) };
  };

  const passage = form.querySelector("[data-passage]");
  const quote = form.querySelector("[data-quote]");
  const fill = (found) => {
    form.elements.start.value = found ? found.start : "";
    form.elements.end.value = found ? found.end : "";
    passage.hidden = !found;
    passage.querySelector("q").textContent = found ? found.words : "";
    if (quote) quote.hidden = Boolean(found);
  };
  const comment = () => {
    fill(selected());
    button.hidden = true;
    form.elements.body.focus();
    form.scrollIntoView({ block: "nearest" });
  };

  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-primary btn-small comment-here";
  button.textContent = "Comment";
  button.hidden = true;
  document.body.append(button);
  button.addEventListener("mousedown", (event) => event.preventDefault()); // the selection stays
  button.addEventListener("click", comment);
  document.addEventListener("selectionchange", () => {
    const found = selected();
    button.hidden = !found;
    if (!found) return;
    const box = found.range.getBoundingClientRect();
    const right = Math.min(box.right, document.documentElement.clientWidth - 110);
    button.style.left = `${Math.max(8, right + scrollX)}px`;
    button.style.top = `${box.bottom + scrollY + 6}px`;
  });
  form.querySelector("[data-whole]").addEventListener("click", () => {
    fill(null);
    form.elements.body.focus();
  });

  // By keys, in the text that has the focus: w and b choose the next word and the one before, Shift with an arrow more
  // or fewer words, or lines.
  const ends = (text, pattern) => [...text.textContent.matchAll(pattern)].map((found) => [found.index, found.index + found[0].length]);
  const chosen = (text) => {
    const found = selected();
    if (!found || !text.contains(found.range.startContainer)) return [0, 0];
    const before = document.createRange();
    before.setStart(text, 0);
    before.setEnd(found.range.startContainer, found.range.startOffset);
    const start = before.toString().length;
    return [start, start + found.words.length];
  };
  const point = (text, at) => {
    for (const node of nodesOf(text)) {
      if (at <= node.data.length) return [node, at];
      at -= node.data.length;
    }
    return [text, text.childNodes.length];
  };
  const choose = (text, start, end) => {
    getSelection().setBaseAndExtent(...point(text, start), ...point(text, end));
    getSelection().getRangeAt(0).startContainer.parentElement.scrollIntoView({ block: "nearest" });
  };
  const MOVES = {
    w: (words, start, end) => words.find(([from]) => from >= end),
    b: (words, start) => words.findLast(([, to]) => to <= start),
    ArrowRight: (words, start, end) => [start, words.find(([, to]) => to > end)?.[1] ?? end],
    ArrowLeft: (words, start, end) => [start, words.findLast(([from, to]) => to < end && from >= start)?.[1] ?? end],
  };
  MOVES.ArrowDown = MOVES.ArrowRight;
  MOVES.ArrowUp = MOVES.ArrowLeft;
  for (const text of texts) {
    text.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const isMove = event.shiftKey ? event.key.startsWith("Arrow") : ["w", "b"].includes(event.key);
      if (!isMove) return;
      const pieces = ends(text, /Up|Down/.test(event.key) ? /[^\n]+/g : /\S+/g);
      const found = MOVES[event.key](pieces, ...chosen(text));
      if (found) choose(text, ...found);
      event.preventDefault();
      event.stopPropagation();
    });
  }
  document.addEventListener("keydown", (event) => {
    const isWriting = event.target.closest("input, select, textarea, dialog[open]");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.closest(".comment-form")?.requestSubmit();
    if (isWriting || event.ctrlKey || event.metaKey || event.altKey || event.key !== "c") return;
    event.preventDefault();
    comment();
  });
})();
