// Send a message that the kernel takes at once, while a cell runs too: see control_channel.py.
//
// On the control channel where the front end lends a widget its kernel connection, and as an ordinary message too until
// the kernel has answered on that channel: Python takes whichever comes first.

const answered = new WeakSet();

function sendUrgent(model, payload) {
  const unique = () => Date.now().toString(36) + Math.random().toString(36).slice(2);
  const content = { urgent: unique(), payload }, known = answered.has(model);
  const key = model.get("_urgent");
  try {
    const kernel = key && model.widget_manager?.kernel;
    if (kernel?.sendControlMessage) {
      const header = {
        msg_id: unique(),
        msg_type: "comm_info_request",
        username: kernel.username,
        session: kernel.clientId,
        date: new Date().toISOString(),
        version: "5.3",
      };
      const envelope = { header, parent_header: {}, metadata: {}, buffers: [], channel: "control" };
      const message = { ...envelope, content: { target_name: key, reply: !known, ...content } };
      const sent = kernel.sendControlMessage(message, !known, true);
      if (known) return;
      sent?.done?.then(() => answered.add(model), () => {});
    }
  } catch {
    // a kernel that is gone or a stand-in: the ordinary message is all there is
  }
  model.send(content);
}
