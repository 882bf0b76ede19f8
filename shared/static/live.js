// The live greeting: asks over a websocket, and asks anew when the connection was lost.
const live = document.getElementById("live");
const select = live.querySelector("select");
const output = live.querySelector("output");

// The page's own address tells the host, and whether the connection has to be encrypted.
const address = new URL(live.dataset.address, location.href);
address.protocol = address.protocol === "https:" ? "wss:" : "ws:";

const LONGEST_WAIT = 30_000;
let wait = 500;
let socket;

function ask() {
  if (socket?.readyState === WebSocket.OPEN) {
    socket.send(JSON.stringify({ lang: select.value, greet: true }));
  }
}

function connect() {
  socket = new WebSocket(address);
  socket.onopen = () => {
    wait = 500;
    ask();
  };
  socket.onmessage = (message) => {
    const answer = JSON.parse(message.data);
    output.lang = answer.lang ?? "en";
    output.dir = "auto";
    output.textContent = answer.text ?? answer.detail;
  };
  socket.onclose = (event) => {
    // 1008: the server refuses who we are, and would again.
    if (event.code === 1008) return;
    output.textContent = "The connection was lost; trying again ...";
    setTimeout(connect, wait);
    wait = Math.min(2 * wait, LONGEST_WAIT);
  };
}

async function start() {
  const answer = await fetch(live.dataset.greetings);
  const greetings = answer.ok ? await answer.json() : [{ lang: "en" }];
  for (const { lang } of greetings) {
    select.add(new Option(lang, lang, false, lang === "en"));
  }
  select.onchange = ask;
  live.hidden = false;
  connect();
}

start();
