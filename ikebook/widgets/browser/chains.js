/* What anywidget loads for the chains under the pointer. */

import { renderChains } from "./live_chains.js";

export default { render: renderChains };
