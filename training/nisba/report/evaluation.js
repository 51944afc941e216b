"use strict";
(() => {
  const $ = id => document.getElementById(id);
  const articles = JSON.parse($("data").textContent), words = JSON.parse($("words").textContent);
  const rows = articles.flatMap((article, a) => article.errors.map(([kind, gold, predicted]) => ({a, kind, gold, predicted})));
  const STEP = 100; // list items made at a time
  const list = $("list"), chips = [...document.querySelectorAll(".chip")], choice = $("article");
  let shown = rows, made = 0, current = -1;

  const element = (name, classes, text) => {
    const made = document.createElement(name);
    if (classes) made.className = classes;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const side = (row, name) => row[name] < 0 ? null : articles[row.a][name][row[name]];
  const spans = (claim, role) => claim?.[role] ?? [];
  // Offsets are code points; a string of JavaScript counts UTF-16 units.
  const split = new Map();
  const points = text => {
    if (!split.has(text)) split.set(text, /[\ud800-\udfff]/.test(text) ? Array.from(text) : text);
    return split.get(text);
  };
  const cut = (text, start, end) => typeof text === "string" ? text.slice(start, end) : text.slice(start, end).join("");
  const CONTROL = /([\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069])/;

  // Text as text, never as markup; direction controls are shown and kept from turning what stands round them.
  const write = (parent, text) => {
    for (const part of text.split(CONTROL)) {
      if (CONTROL.test(part)) {
        const sign = element("span", "control", part);
        sign.title = "U+" + part.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
        parent.append(sign);
      } else if (part) parent.append(part);
    }
  };

  const isolated = (classes, text) => { const box = element("bdi", classes); write(box, text); return box; };

  const marked = (text, claim, other) => {
    const paragraph = element("p", "text");
    paragraph.dir = "rtl";
    paragraph.tabIndex = 0;
    const all = points(text), at = new Set([0, all.length]);
    for (const c of [claim, other]) for (const role of words.roles) for (const [start, end] of spans(c, role)) at.add(start).add(end);
    const edges = [...at].sort((x, y) => x - y);
    const roleAt = (c, x) => words.roles.find(role => spans(c, role).some(([start, end]) => start <= x && x < end));
    for (let i = 0; i + 1 < edges.length; i++) {
      const role = roleAt(claim, edges[i]), part = cut(all, edges[i], edges[i + 1]);
      if (!role) {
        if (claim || !roleAt(other, edges[i])) { write(paragraph, part); continue; }
        const away = element("span", "away");
        write(away, part);
        paragraph.append(away);
        continue;
      }
      const mark = element("mark", role + (other && roleAt(other, edges[i]) !== role ? " alone" : ""));
      mark.title = words.role[role];
      write(mark, part);
      paragraph.append(mark);
    }
    return paragraph;
  };

  const facts = (text, claim, other) => {
    const line = element("p", "facts");
    const add = (name, value, off) => {
      const item = element("span", off ? "off" : "", name + ": ");
      item.append(isolated("", value));
      line.append(item);
    };
    add("القائل", claim.speaker ?? "غير مذكور", other && !same(claim.speaker, other.speaker));
    for (const name of ["type", "source_type", "stance"]) add(words.attribute[name], words[name][claim[name]], other && claim[name] !== other[name]);
    for (const role of words.roles) if (spans(claim, role).length && role !== "content")
      add(words.role[role], spans(claim, role).map(([start, end]) => cut(points(text), start, end)).join(" … "),
        other && JSON.stringify(spans(claim, role)) !== JSON.stringify(spans(other, role)));
    if (claim.score !== undefined) add("الثقة", claim.score.toFixed(2));
    if (claim.core === false) add("اختياري", "لا يُحتسب");
    return line;
  };
  const fold = name => (name ?? "").replace(/[أإآٱ]/g, "ا").replace(/ة/g, "ه").replace(/ى/g, "ي").replace(/[\u064b-\u0652\u0640]/g, "").split(/\s+/).filter(Boolean).join(" ");
  const same = (one, other) => (one === undefined) === (other === undefined) && fold(one) === fold(other);

  const detail = row => {
    const article = articles[row.a], pane = $("detail"), gold = side(row, "gold"), predicted = side(row, "predicted");
    const head = element("h3", "", words.kind[row.kind] + " ");
    const name = isolated("", article.id);
    head.append("(", name, ")");
    const both = element("div", "sides");
    for (const [title, claim, other] of [["المرجع", gold, predicted], ["التنبؤ", predicted, gold]]) {
      const section = element("section");
      section.setAttribute("aria-label", title);
      section.append(element("h4", "", title));
      section.append(claim ? facts(article.text, claim, other) : element("p", "facts", "لا قول هنا"));
      const text = marked(article.text, claim, other);
      text.setAttribute("role", "group");
      text.setAttribute("aria-label", "نص المقال، " + title);
      section.append(text);
      both.append(section);
    }
    pane.replaceChildren(head, both);
    // Each text is scrolled to its claim, or to where the other side has one.
    const [first, second] = [...both.querySelectorAll(".text")];
    const ratio = text => { const mark = text.querySelector("mark, .away"); return mark && (mark.offsetTop - text.offsetTop) / text.scrollHeight; };
    for (const [text, other] of [[first, second], [second, first]]) {
      const place = ratio(text) ?? ratio(other);
      if (place !== null) text.scrollTop = place * text.scrollHeight - 40;
    }
  };

  const some = row => {
    const claim = side(row, "gold") ?? side(row, "predicted"), text = points(articles[row.a].text);
    const [start, end] = claim.content[0];
    return cut(text, start, Math.min(end, start + 60));
  };

  const more = upto => {
    const part = document.createDocumentFragment();
    for (; made < Math.min(shown.length, upto); made++) {
      const row = shown[made], item = element("li");
      item.id = "e" + made;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      item.setAttribute("aria-posinset", made + 1);
      item.setAttribute("aria-setsize", shown.length);
      const line = element("span", "some");
      write(line, some(row));
      item.append(element("span", "kind", words.kind[row.kind]), " ", isolated("id", articles[row.a].id), line);
      part.append(item);
    }
    list.append(part);
  };

  const select = (n, {jump = true} = {}) => {
    if (!shown.length) return;
    n = Math.max(0, Math.min(shown.length - 1, n));
    more(n + STEP);
    list.querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false");
    const item = list.children[n];
    item.setAttribute("aria-selected", "true");
    list.setAttribute("aria-activedescendant", item.id);
    current = n;
    if (item.offsetTop < list.scrollTop || item.offsetTop + item.offsetHeight > list.scrollTop + list.clientHeight)
      list.scrollTop = item.offsetTop - 60;
    detail(shown[n]);
    if (jump) address("#error-" + rows.indexOf(shown[n]));
  };

  const address = hash => {
    try { history.replaceState(null, "", hash || location.pathname + location.search); }
    catch { /* a browser may limit how often; the address is a convenience */ }
  };

  const filter = () => {
    const kinds = new Set(chips.filter(chip => chip.getAttribute("aria-pressed") === "true").map(chip => chip.dataset.kind));
    const only = choice.value === "" ? -1 : Number(choice.value);
    shown = rows.filter(row => (!kinds.size || kinds.has(row.kind)) && (only < 0 || row.a === only));
    made = 0; current = -1;
    list.replaceChildren();
    list.removeAttribute("aria-activedescendant");
    $("count").textContent = shown.length;
    if (shown.length) select(0, {jump: false});
    else $("detail").replaceChildren(element("p", "sub", "لا أخطاء هنا."));
  };

  for (const chip of chips) chip.addEventListener("click", () => {
    chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
    address("");
    filter();
  });
  choice.addEventListener("change", () => { address(""); filter(); });
  $("clear").addEventListener("click", () => {
    for (const chip of chips) chip.setAttribute("aria-pressed", "false");
    choice.value = "";
    address("");
    filter();
  });
  list.addEventListener("scroll", () => { if (list.scrollTop + list.clientHeight > list.scrollHeight - 400) more(made + STEP); });
  list.addEventListener("click", event => {
    const item = event.target.closest("li");
    if (item) select(Number(item.id.slice(1)));
  });
  list.addEventListener("keydown", event => {
    const to = {ArrowDown: current + 1, ArrowUp: current - 1, PageDown: current + 10, PageUp: current - 10, Home: 0, End: shown.length - 1}[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    select(to);
  });
  const jump = () => {
    const wanted = /^#error-(\d+)$/.exec(location.hash);
    const row = wanted && rows[Number(wanted[1])];
    if (!row) return;
    if (!shown.includes(row)) $("clear").click();
    select(shown.indexOf(row));
    $("browser").scrollIntoView({block: "nearest"});
  };
  window.addEventListener("hashchange", jump);
  articles.forEach((article, a) => {
    if (!article.errors.length) return;
    const option = element("option", "", "\u2068" + article.id.replace(new RegExp(CONTROL, "g"), "␣") + "\u2069 (" + article.errors.length + ")");
    option.value = a;
    choice.append(option);
  });
  filter();
  jump();
  document.documentElement.dataset.ready = Math.round(performance.now());
})();
