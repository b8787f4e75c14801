const urgent = (model, payload) => model.send(payload);
