/* A whole widget with Python behind it, where a notebook shows anywidgets but no boxes of ipywidgets: the tree of its parts is drawn as in a
   static page, and each part has a model that tells Python what changes in the page, and hears what changes there (see mirror.py). */

import { renderChoice } from "./choice_buttons.js";
import { make } from "./elements.js";
import { PageModel } from "./page_model.js";
import { Page } from "./page_view.js";

/* The traits of a part; `send` takes what has changed. */
class MirrorModel extends PageModel {
  constructor(state, send) {
    super(state);
    this.send = send;
  }

  save_changes() {
    const changes = Object.fromEntries([...this.pending].map((name) => [name, this.state[name]]));
    this.pending.clear();
    if (Object.keys(changes).length) this.send(changes);
  }

  /* What Python says, as far as it is new. */
  receive(changes) {
    super.receive(Object.fromEntries(Object.entries(changes).filter(([name, value]) => value !== this.state[name])));
  }
}

class MirrorPage extends Page {
  update(shown, tree, place) {
    const now = super.update(shown, tree, place);
    now?.node.style.setProperty("visibility", tree.style?.visibility ?? ""); // what is hidden for a while keeps its room
    return now;
  }

  widget(shown, tree, draw) {
    if (shown.model === tree.model) return;
    shown.close?.();
    shown.model = tree.model;
    shown.close = draw({ model: tree.model, el: shown.node });
  }

  choice(shown, tree) {
    this.widget(shown, tree, renderChoice);
  }

  html(shown, tree) {
    this.element(shown, tree, make("div"), (node, model) => {
      if (node.innerHTML !== model.get("value")) node.innerHTML = model.get("value");
    });
  }

  button(shown, tree) {
    const button = make("button", "ike-push", { type: "button" });
    if (tree.ground) Object.assign(button.style, { background: tree.ground, color: "#ffffff" });
    button.addEventListener("click", () => tree.click());
    this.element(shown, tree, button, (node, model) => {
      node.textContent = model.get("description");
      node.title = model.get("tooltip") ?? "";
      node.disabled = model.get("disabled");
    });
  }

  menu(shown, tree) {
    const label = make("label", "ike-menu");
    label.append(make("span", "ike-label"), make("select"));
    label.lastChild.addEventListener("change", () => {
      tree.model.set("index", label.lastChild.selectedIndex);
      tree.model.save_changes();
    });
    this.element(shown, tree, label, (node, model) => {
      const [name, select] = node.childNodes;
      name.textContent = model.get("description");
      const options = model.get("_options_labels").map((text) => Object.assign(make("option"), { textContent: text }));
      if (select.childNodes.length !== options.length) select.replaceChildren(...options);
      select.selectedIndex = model.get("index") ?? -1;
      select.disabled = model.get("disabled");
    });
  }

  progress(shown, tree) {
    this.element(shown, tree, make("progress", "", { "aria-label": "Progress" }), (node, model) => {
      node.max = model.get("max") - model.get("min");
      node.value = model.get("value") - model.get("min");
    });
  }

  unknown() {}

  /* A node of ours that shows a model, and is drawn anew with each of its changes. */
  element(shown, tree, node, draw) {
    if (shown.model === tree.model) return;
    shown.close?.();
    const { model } = tree;
    shown.model = model;
    const redraw = () => draw(node, model);
    const events = Object.keys(model.state).map((name) => `change:${name}`);
    for (const event of events) model.on(event, redraw);
    shown.close = () => events.forEach((event) => model.off(event, redraw));
    redraw();
    shown.node.replaceChildren(node);
  }
}

function decode(state, buffers) {
  const value = (one) => (one?.buffer === undefined ? one : new Uint8Array(buffers[one.buffer].buffer ?? buffers[one.buffer], buffers[one.buffer].byteOffset ?? 0, buffers[one.buffer].byteLength));
  return Object.fromEntries(Object.entries(state).map(([name, one]) => [name, value(one)]));
}

/* What goes to Python: bytes beside what is JSON. */
function encode(state) {
  const buffers = [];
  const value = (one) => {
    if (!ArrayBuffer.isView(one)) return one;
    buffers.push(one.buffer.slice(one.byteOffset, one.byteOffset + one.byteLength));
    return { buffer: buffers.length - 1 };
  };
  return [Object.fromEntries(Object.entries(state).map(([name, one]) => [name, value(one)])), buffers];
}

function renderMirror({ model, el }) {
  const models = new Map();
  const root = make("div", "ike-page ike-embedded");
  const main = make("div");
  root.append(Object.assign(make("style"), { textContent: IKEBOOK_STYLE }), main);
  el.append(root);
  let page = null;

  const tell = (id) => (changes) => {
    const [state, buffers] = encode(changes);
    model.send({ kind: "set", id, state }, undefined, buffers);
  };

  /* A node of the tree, with its model. */
  const joined = (node) =>
    node && {
      ...node,
      model: models.get(node.id),
      click: () => model.send({ kind: "click", id: node.id }),
      ...(node.children && { children: node.children.map(joined) }),
    };

  const receive = (content, buffers) => {
    if (content.kind === "change") {
      models.get(content.id)?.receive(decode(content.state, buffers));
      return;
    }
    for (const [id, state] of Object.entries(content.states)) {
      if (models.has(id)) models.get(id).receive(decode(state, buffers));
      else models.set(id, new MirrorModel(decode(state, buffers), tell(id)));
    }
    const states = [{ label: "", tree: joined(content.tree) }];
    if (page) {
      page.states = states;
      page.go(0);
    } else page = new MirrorPage(states, new Map(), main);
    root.dataset.ready = "true";
  };

  model.on("msg:custom", receive);
  model.send({ kind: "ask" });
  return () => {
    model.off("msg:custom", receive);
    page?.dispose();
    root.remove();
  };
}

export default { render: renderMirror };
