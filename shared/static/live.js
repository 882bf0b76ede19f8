// The live greeting, requested over a websocket. After a failure it retries, at increasing intervals.
const live = document.getElementById("live");
const select = live.querySelector("select");
const output = live.querySelector("output");

// The page's own address contains the host, and whether the connection must be encrypted.
const address = new URL(live.dataset.address, location.href);
address.protocol = address.protocol === "https:" ? "wss:" : "ws:";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;
const UNAVAILABLE = 503;

let wait = FIRST_WAIT;
let retry;
let socket;

function later(action) {
  clearTimeout(retry);
  retry = setTimeout(action, wait);
  wait = Math.min(2 * wait, LONGEST_WAIT);
}

function show(text, lang = "en") {
  output.lang = lang;
  output.dir = "auto";
  output.textContent = text;
}

function ask() {
  clearTimeout(retry);
  if (socket.readyState === WebSocket.OPEN) {
    socket.send(JSON.stringify({ lang: select.value, greet: true }));
  }
}

function connect() {
  socket = new WebSocket(address);
  socket.onopen = ask;
  socket.onmessage = (message) => {
    const answer = JSON.parse(message.data);
    show(answer.text ?? answer.detail, answer.lang);
    if (answer.status === UNAVAILABLE) {
      later(ask);
    } else {
      wait = FIRST_WAIT;
    }
  };
  socket.onclose = (event) => {
    // 1008: the server rejects the credentials. It would reject them again.
    if (event.code === 1008) return;
    show("The connection was lost; trying again ...");
    later(connect);
  };
}

const languages = new Intl.DisplayNames(["en"], { type: "language" });

function nameOf(lang) {
  try {
    return languages.of(lang);
  } catch {
    return lang; // A tag for private use, such as x-klingon.
  }
}

async function greetings() {
  const answer = await fetch(live.dataset.greetings);
  const document = await answer.json();
  if (!answer.ok) throw new Error(document.detail);
  return document;
}

async function start() {
  live.hidden = false;
  try {
    for (const { lang } of await greetings()) {
      select.add(new Option(nameOf(lang), lang, false, lang === "en"));
    }
  } catch {
    show("The greetings cannot be had just now; trying again ...");
    later(start);
    return;
  }
  wait = FIRST_WAIT;
  select.onchange = ask;
  connect();
}

start();
