// Send a message that the kernel takes at once, while a cell runs too: see notebook/control_channel.py.
//
// On the control channel where the front end lends a widget its kernel connection, and as an ordinary message too until
// the kernel has answered on that channel: Python takes whichever comes first.

const answered = new WeakSet();

// A comm_info_request, which neither front ends nor servers count as work of the kernel.
function controlMessage(kernel, content) {
  const header = {
    msg_id: Date.now().toString(36) + Math.random().toString(36).slice(2),
    msg_type: "comm_info_request",
    username: kernel.username,
    session: kernel.clientId,
    date: new Date().toISOString(),
    version: "5.3",
  };
  return { header, parent_header: {}, metadata: {}, buffers: [], channel: "control", content };
}

function sendUrgent(model, payload) {
  const unique = () => Date.now().toString(36) + Math.random().toString(36).slice(2);
  const content = { urgent: unique(), payload }, known = answered.has(model);
  const key = model.get("_urgent");
  try {
    const kernel = key && model.widget_manager?.kernel;
    if (kernel?.sendControlMessage) {
      const message = controlMessage(kernel, { target_name: key, reply: !known, ...content });
      const sent = kernel.sendControlMessage(message, !known, true);
      if (known) return;
      sent?.done?.then(() => answered.add(model), () => {});
    }
  } catch {
    // a kernel that is gone or a stand-in: the ordinary message is all there is
  }
  model.send(content);
}
