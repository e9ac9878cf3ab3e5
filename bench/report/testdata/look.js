(() => {
  const found = { wider: 0, plots: 0, empty: [], outside: [], overlaps: [], pale: [], structure: [], unscrolled: [] };
  // On paper everything is unfolded; on a screen a reader does it.
  const root = document.documentElement, paper = matchMedia("print").matches;
  const hidden = [...document.querySelectorAll("table")].filter(t => !t.checkVisibility({ contentVisibilityAuto: true }));
  if (paper) for (const t of hidden) found.structure.push(`not on paper: ${t.caption.textContent}`);
  else if (!window.opened && !hidden.length) found.structure.push("nothing is folded on a screen");
  window.opened = true;
  if (!paper) document.querySelectorAll("details").forEach(d => d.open = true);
  found.wider = Math.max(0, root.scrollWidth - window.innerWidth);

  // Relative luminance and contrast as in WCAG 2.2, sections 1.4.3 and 1.4.11.
  const parse = color => (color.match(/[\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => {
    const f = [r, g, b].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2];
  };
  const contrast = (a, b) => {
    const [hi, lo] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (hi + 0.05) / (lo + 0.05);
  };
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length && (c.length < 4 || c[3] > 0)) return c;
    }
    return [255, 255, 255];
  };
  const need = (ratio, color, element, what) => {
    const is = contrast(parse(color), ground(element));
    if (is < ratio) found.pale.push(`${what}: ${color} on ${ground(element)}, ${is.toFixed(2)} of ${ratio}`);
  };
  for (const e of document.querySelectorAll("h1, h2, p, li, a, code, summary, th, td, caption, figcaption, .tag")) need(4.5, getComputedStyle(e).color, e, e.tagName);
  for (const e of document.querySelectorAll("svg text")) need(4.5, getComputedStyle(e).fill, e, "text of a plot");
  for (const e of document.querySelectorAll("svg .f:not(.p)")) need(3, getComputedStyle(e).fill, e, `mark ${e.getAttribute("class")}`);
  for (const e of document.querySelectorAll("svg .l, svg .h, svg .w, svg .a")) need(3, getComputedStyle(e).stroke, e, `line ${e.getAttribute("class")}`);

  for (const svg of document.querySelectorAll("svg")) {
    const title = svg.querySelector("title"), desc = svg.querySelector("desc"), name = title ? title.textContent : "a plot without title";
    const box = svg.getBoundingClientRect();
    const labelled = (svg.getAttribute("aria-labelledby") || "").split(" ").every(id => document.getElementById(id));
    if (!title || !desc || !desc.textContent || !labelled || box.width < 100 || box.height < 50) found.empty.push(name);
    else found.plots++;
    const view = svg.viewBox.baseVal, texts = [...svg.querySelectorAll("text")].map(e => ({ e, b: e.getBBox() }));
    for (const { e, b } of texts) {
      if (b.x < -0.5 || b.y < -0.5 || b.x + b.width > view.width + 0.5 || b.y + b.height > view.height + 0.5) found.outside.push(`${name}: ${e.textContent}`);
    }
    for (const e of svg.querySelectorAll("line, path, rect, circle, polygon")) {
      const b = e.getBBox();
      if (b.x < -1 || b.y < -1 || b.x + b.width > view.width + 1 || b.y + b.height > view.height + 1) found.outside.push(`${name}: ${e.outerHTML}`);
    }
    // The height of a line of text is more than that of its letters: 3 units of it may be shared.
    texts.forEach(({ e, b }, i) => texts.slice(i + 1).forEach(({ e: f, b: c }) => {
      const across = Math.min(b.x + b.width, c.x + c.width) - Math.max(b.x, c.x), down = Math.min(b.y + b.height, c.y + c.height) - Math.max(b.y, c.y);
      if (across > 0.5 && down > 3) found.overlaps.push(`${name}: ${e.textContent} / ${f.textContent}`);
    }));
  }

  const wrong = text => found.structure.push(text);
  if (!root.lang) wrong("no language");
  if (document.querySelectorAll("h1").length !== 1) wrong("not one h1");
  if (!document.querySelector("meta[name=viewport]")) wrong("no viewport");
  if (document.querySelector("script")) wrong("a script");
  const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  if (new Set(ids).size !== ids.length) wrong("an id twice");
  for (const a of document.querySelectorAll("a[href^='#']")) if (!document.getElementById(a.getAttribute("href").slice(1))) wrong(`link to nothing: ${a.href}`);
  for (const t of document.querySelectorAll("table")) {
    if (!t.caption || !t.caption.textContent) wrong("a table without caption");
    if ([...t.querySelectorAll("th")].some(th => !th.scope)) wrong("a th without scope");
    const columns = new Set([...t.rows].map(r => r.cells.length));
    if (columns.size !== 1) wrong(`rows of different lengths: ${t.caption && t.caption.textContent}`);
    const box = t.closest(".scroll");
    const scrolls = box && ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
    if (t.getBoundingClientRect().right > root.clientWidth && !scrolls) found.unscrolled.push(t.caption.textContent);
  }
  return found;
})()
