"use strict";
// Everything is made of the data in #content, by textContent and attributes: no name in it can become markup.
(() => {
  const data = JSON.parse(document.getElementById("content").textContent);
  const PAGE = 100, WRONG = 5; // rows that a list shows at first; states below this number are wrong
  const SIGNS = { conflict: "≠", failed: "✕", gone: "∅", stale: "↻", "restart due": "⟳", unknown: "?", held: "‖", right: "✓" };
  const chosen = { text: "", state: "", mapping: -1, cluster: -1 };
  const FIRST = { wrong: 12, matrix: PAGE, targets: PAGE, expiry: PAGE }, shown = { ...FIRST };
  const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
  const slug = (state) => `s-${state.replace(" ", "-")}`;
  const day = (time) => time.slice(0, 10);

  const [MAPPING, CLUSTER, NAMESPACE, STATE, SINCE, CAUSE, SOURCES] = [0, 1, 2, 3, 4, 5, 6];
  const [NAME, SECRET, OWNER, RESTART] = [0, 1, 2, 3];
  const rows = data.rows.map((row) => ({
    m: row[MAPPING], c: row[CLUSTER], namespace: row[NAMESPACE], s: row[STATE], since: row[SINCE], cause: row[CAUSE],
    sources: row[SOURCES], mapping: data.mappings[row[MAPPING]], cluster: data.clusters[row[CLUSTER]],
    state: data.states[row[STATE]],
  }));
  const placeOf = (row) => `${row.cluster}/${row.namespace || "-"}/${row.mapping[SECRET]}`;
  const textOf = (row) => row.text ??= [
    row.mapping[NAME], row.mapping[OWNER], row.state, placeOf(row), row.cause < 0 ? "" : data.causes[row.cause].text,
    ...row.sources.map((source) => data.sources[source[0]][1]),
  ].join(" ").toLowerCase();

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "onclick") element.addEventListener("click", value);
      else if (value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== ""));
    return element;
  }
  const badge = (state) => make("span", { class: `badge ${slug(state)}` }, `${SIGNS[state]} ${state}`);
  const holder = (id) => document.querySelector(`#${id} > div`);
  const fold = (summary, ...children) => make("details", {}, make("summary", {}, summary), ...children);

  // A list of which so many are shown, and a button for more.
  function fill(id, items, wrap, build) {
    const part = items.slice(0, shown[id]).map(build), rest = items.length - shown[id];
    const more = rest > 0 && make("p", { class: "more" }, make("button", { type: "button", onclick: () => {
      const first = shown[id];
      shown[id] += 5 * PAGE;
      draw[id]();
      holder(id).querySelectorAll("[data-item]")[first]?.focus();
    } }, `Show ${Math.min(rest, 5 * PAGE).toLocaleString("en")} more of ${items.length.toLocaleString("en")}`));
    part.forEach((element) => { element.dataset.item = ""; element.tabIndex = -1; });
    holder(id).replaceChildren(wrap(part), ...(more ? [more] : []));
  }

  const visible = () => rows.filter((row) =>
    (!chosen.state || row.state === chosen.state) && (chosen.mapping < 0 || row.m === chosen.mapping)
    && (chosen.cluster < 0 || row.c === chosen.cluster) && chosen.text.split(/\s+/).every((word) => textOf(row).includes(word)));
  let current = rows;

  function table(caption, heads, kind) {
    return (body) => make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      make("table", { class: kind }, make("caption", {}, caption),
        make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))), make("tbody", {}, ...body)));
  }
  const line = (heads, cells) => make("tr", {}, ...cells.map((cell, number) =>
    make(number ? "td" : "th", { "data-head": heads[number], ...(number ? {} : { scope: "row" }) }, ...[cell].flat())));

  const draw = {
    wrong() {
      const groups = new Map();
      for (const row of current) {
        if (row.s >= WRONG && row.cause < 0) continue;
        const cause = data.causes[row.cause], key = JSON.stringify([row.s, cause?.text, cause?.at]);
        if (!groups.has(key)) groups.set(key, []);
        groups.get(key).push(row);
      }
      const sorted = [...groups.values()].sort((a, b) => a[0].s - b[0].s || b.length - a.length);
      if (!sorted.some((group) => group[0].s < WRONG)) sorted.unshift(null);
      fill("wrong", sorted, (part) => make("div", {}, ...part), card);
    },
    matrix() {
      const cells = new Map(), worst = new Map(), used = new Set();
      for (const row of current) {
        const key = `${row.m} ${row.c}`, cell = cells.get(key) || { s: row.s, all: 0, like: 0 };
        if (row.s < cell.s) Object.assign(cell, { s: row.s, like: 0 });
        cell.all += 1; cell.like += row.s === cell.s;
        cells.set(key, cell); used.add(row.c);
        worst.set(row.m, Math.min(worst.get(row.m) ?? 99, row.s));
      }
      const columns = [...used].sort((a, b) => data.clusters[a].localeCompare(data.clusters[b]));
      const names = [...worst.keys()].sort((a, b) => worst.get(a) - worst.get(b) || data.mappings[a][NAME].localeCompare(data.mappings[b][NAME]));
      const wrap = table("The worst state of each mapping on each cluster", ["mapping", ...columns.map((c) => data.clusters[c])], "grid");
      fill("matrix", names, wrap, (m) => make("tr", {}, make("th", { scope: "row" }, data.mappings[m][NAME]),
        ...columns.map((c) => make("td", {}, cellOf(m, c, cells.get(`${m} ${c}`))))));
    },
    targets() {
      const heads = ["Secret", "state", "cluster", "namespace", "mapping", "version", "since"];
      const sorted = [...current].sort((a, b) => a.s - b.s);
      fill("targets", sorted, table("Targets, the worst first", heads, "rows"), (row) => line(heads, [
        row.mapping[SECRET], badge(row.state), row.cluster, row.namespace || "-", row.mapping[NAME],
        make("span", { class: "mono" }, row.sources.map((source) => source.slice(1).map((one) => one || "-").join(" → ")).join(", ")),
        row.since ? make("time", { datetime: row.since }, day(row.since)) : "",
      ]));
    },
    expiry() {
      const now = data.time, soon = new Date(Date.parse(now) + 30 * 86400e3).toISOString();
      const heads = ["name", "what", "when", "Secrets"];
      const words = chosen.text.split(/\s+/);
      const found = data.expiries.filter((each) => words.every((word) => `${each[1]} ${each[5].join(" ")} ${each[0]}`.toLowerCase().includes(word)));
      const level = ([what, , state, time]) => state === "has expired" || state === "overdue" ? "failed"
        : what === "certificate" && time < soon ? "stale" : what === "certificate" ? "right" : "unknown";
      const order = (each) => [each[2] === "off" ? 1 : 0, each[3] || "9"].join(" ");
      const dated = found.filter((each) => each[0] !== "value").sort((a, b) => order(a).localeCompare(order(b)));
      const item = (each) => line(heads, [each[1],
        make("span", { class: `badge ${slug(level(each))}` }, `${each[0]} ${each[2]}`),
        each[3] ? make("time", { datetime: each[3] }, day(each[3])) : "never", each[5].join(", ") + (each[4] > 3 ? ` and ${each[4] - 3} more` : "")]);
      if (dated.length) fill("expiry", dated, table("Certificates and rotations by date", heads, "rows"), item);
      else holder("expiry").replaceChildren(make("p", { class: "hint" }, "No certificate and no rotation is known here."));
      const values = found.filter((each) => each[0] === "value");
      if (values.length) holder("expiry").append(fold(`Age of ${count(values.length, "value")}, the oldest first`,
        table("Values by age", heads, "rows")(values.slice(0, 2 * PAGE).map(item)),
        values.length > 2 * PAGE ? make("p", { class: "hint" }, "Only the oldest 200 are shown: search for others.") : ""));
    },
    drawing() {
      const m = Number(document.getElementById("mapping").value);
      holder("drawing").replaceChildren(...(m >= 0 && data.mappings[m] ? flow(m) : [make("p", { class: "hint" }, "No mapping.")]));
    },
  };

  function card(group) {
    if (!group) return make("div", { class: "card all-well" }, `Nothing is wrong${current.length === rows.length ? "" : " among these targets"}.`);
    const row = group[0], cause = data.causes[row.cause] || { text: "", at: "" };
    const owners = [...new Set(group.map((each) => each.mapping[OWNER]))].filter(Boolean).sort();
    const times = (field) => group.map((each) => data.causes[each.cause]?.[field]).filter(Boolean).sort();
    const minute = (time) => `${time.slice(0, 16).replace("T", " ")} UTC`;
    const failed = times("failed").at(-1), [next] = times("nextTry");
    const hint = next ? `Next try ${minute(next)}.` : ["gone", "stale", "restart due"].includes(row.state) ? "The next sweep sees it; keyferry push does not wait for it." : "";
    const names = group.slice(0, 2 * PAGE).map((each) => make("li", {}, placeOf(each)));
    const rest = group.length - names.length;
    return make("article", { class: `card ${slug(row.state)}` }, badge(row.state), ` ${group.length === 1 ? placeOf(row) : count(group.length, "target")}`,
      cause.text ? make("p", {}, cause.text) : "",
      make("p", { class: "meta" }, [cause.at, owners.length && `owner ${owners.slice(0, 5).join(", ")}${owners.length > 5 ? ` and ${owners.length - 5} more` : ""}`,
        failed && `failed at ${minute(failed)}`, hint].filter(Boolean).join(" · ")),
      group.length > 1 ? fold("Which", make("ul", { class: "names" }, ...names, rest > 0 ? make("li", {}, `and ${rest.toLocaleString("en")} more: search for them`) : "")) : "");
  }

  function cellOf(m, c, cell) {
    if (!cell) return make("span", { class: "none", "aria-label": "none" }, "–");
    const state = data.states[cell.s], pressed = chosen.mapping === m && chosen.cluster === c;
    const amount = cell.like === cell.all ? String(cell.all) : `${cell.like} of ${cell.all}`;
    return make("button", { type: "button", class: `cell ${slug(state)}`, "aria-pressed": String(pressed), title: `${amount} ${state}`,
      "aria-label": `${data.mappings[m][NAME]} on ${data.clusters[c]}: ${amount} ${state}`, onclick: () => {
        Object.assign(chosen, pressed ? { mapping: -1, cluster: -1 } : { mapping: m, cluster: c });
        document.getElementById("mapping").value = m;
        update();
        const target = pressed ? document.querySelector("#matrix .cell") : document.querySelector("#matrix .cell[aria-pressed=true]");
        target?.focus({ preventScroll: true });
      } }, `${SIGNS[state]} ${amount}`);
  }

  // Source → mapping → Secrets → workloads, as SVG: side by side where there is room, else below one another.
  function flow(m) {
    const [name, secret, owner, restart] = data.mappings[m], own = rows.filter((row) => row.m === m), LIMIT = 12;
    const sources = [...new Set(own.flatMap((row) => row.sources.map((source) => source[0])))].map((number) => data.sources[number]);
    const secrets = own.sort((a, b) => a.s - b.s);
    const cut = (items, build, noun) => [...items.slice(0, LIMIT).map(build),
      ...(items.length > LIMIT ? [{ text: `and ${(items.length - LIMIT).toLocaleString("en")} more`, kind: noun }] : [])];
    const workloads = Array.isArray(restart) ? cut(restart, (each) => ({ text: each, kind: "restarted by name" }), "workloads")
      : [{ text: restart === "none" ? "nothing restarts" : restart === "auto" ? "whatever uses the Secret" : "workloads",
        kind: restart === "none" ? "restart: none" : restart === "auto" ? "restart: auto; not known here" : "not known here" }];
    const levels = [
      cut(sources, ([store, text]) => ({ text, kind: store === "secretsmanager" ? "Secrets Manager" : "Parameter Store" }), "sources"),
      [{ text: name, kind: owner ? `mapping of ${owner}` : "mapping" }],
      cut(secrets, (row) => ({ text: `${row.cluster}/${row.namespace || "-"}`, kind: `${row.state}: Secret ${secret}`, state: row.state }), "Secrets"), workloads];
    const wide = holder("drawing").clientWidth > 700;
    const label = `${sources.map((source) => source[1]).join(", ")} to mapping ${name} to ${count(own.length, "Secret")} called ${secret} to ${workloads.map((each) => each.text).join(", ")}`;
    return [make("div", { class: "scroll draw" }, picture(levels, wide, label)),
      make("p", { class: "hint" }, Array.isArray(restart) ? "Workloads are those of the mapping's list."
        : "Which workloads use a Secret only the cluster knows: keyferry trace says it for one of them.")];
  }

  function picture(levels, wide, label) {
    const H = 44, GAP = 12, width = wide ? 1120 : 340, box = wide ? 240 : 316, step = wide ? 293 : 0;
    const tallest = Math.max(...levels.map((level) => level.length)) * (H + GAP);
    let top = 0;
    const nodes = levels.map((level, depth) => {
      const start = wide ? (tallest - level.length * (H + GAP)) / 2 : top;
      top += level.length * (H + GAP) + 26;
      return level.map((node, number) => ({ ...node, x: wide ? depth * step + 1 : 22, y: start + number * (H + GAP) + 4 }));
    });
    const height = (wide ? tallest : top - 26) + 4, space = "http://www.w3.org/2000/svg";
    const draws = (tag, attributes, text) => {
      const element = document.createElementNS(space, tag);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      if (text !== undefined) element.textContent = text;
      return element;
    };
    const svg = draws("svg", { class: "flow", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
    const mid = (node) => node.y + H / 2;
    const link = (a, b) => wide
      ? `M${a.x + box} ${mid(a)}C${a.x + box + 30} ${mid(a)} ${b.x - 30} ${mid(b)} ${b.x} ${mid(b)}` : `M22 ${mid(a)}H10V${mid(b)}H22`;
    nodes.slice(1).forEach((level, depth) => {
      const some = wide && level.length * nodes[depth].length <= 60 ? level : level.slice(0, 1); // else lines alone
      for (const a of nodes[depth]) for (const b of depth < 2 ? level : some) svg.append(draws("path", { d: link(a, b) }));
    });
    const limit = wide ? 30 : 38, shorten = (text) => (text.length > limit ? `${text.slice(0, limit - 1)}…` : text);
    for (const node of nodes.flat()) {
      const group = draws("g", node.state ? { class: slug(node.state) } : {});
      group.append(draws("title", {}, `${node.text} (${node.kind})`), draws("rect", { x: node.x, y: node.y, width: box, height: H, rx: 8 }),
        draws("text", { x: node.x + 10, y: node.y + 18 }, shorten(node.text)),
        draws("text", { x: node.x + 10, y: node.y + 35, class: "kind" }, shorten(node.state ? `${SIGNS[node.state]} ${node.kind}` : node.kind)));
      svg.append(group);
    }
    return svg;
  }

  function update() {
    current = visible();
    Object.assign(shown, FIRST);
    for (const id of ["wrong", "matrix", "targets", "expiry"]) draw[id]();
    document.querySelectorAll(".total").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.state === chosen.state)));
    const about = chosen.mapping < 0 ? "" : ` of ${data.mappings[chosen.mapping][NAME]} on ${data.clusters[chosen.cluster]}`;
    document.getElementById("said").textContent = current.length === rows.length ? "" : `${current.length.toLocaleString("en")} of ${count(rows.length, "target")} shown${about}`;
    const first = current.length && !current.some((row) => row.m === Number(select.value)) ? current[0].m : -1;
    if (first >= 0) select.value = first;
    draw.drawing();
  }

  const select = document.getElementById("mapping"), form = document.querySelector(".search"), input = document.getElementById("q");
  const byName = data.mappings.map((mapping, number) => [mapping[NAME], number]).sort((a, b) => a[0].localeCompare(b[0]));
  select.append(...byName.map(([name, number]) => make("option", { value: number }, name)));
  select.value = (rows.length ? rows.reduce((a, b) => (b.s < a.s ? b : a)).m : -1);
  select.addEventListener("change", draw.drawing);
  document.querySelectorAll(".total").forEach((button) => button.addEventListener("click", () => {
    chosen.state = chosen.state === button.dataset.state ? "" : button.dataset.state;
    update();
  }));
  let waiting = 0;
  const search = () => { chosen.text = input.value.trim().toLowerCase(); update(); };
  input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, 120); });
  form.addEventListener("submit", (event) => { event.preventDefault(); search(); });
  form.addEventListener("reset", () => { Object.assign(chosen, { text: "", state: "", mapping: -1, cluster: -1 }); setTimeout(update); });
  let width = document.body.clientWidth;
  addEventListener("resize", () => { if (Math.abs(width - document.body.clientWidth) > 40) { width = document.body.clientWidth; draw.drawing(); } });
  update();
})();
