/* What anywidget loads for buttons of which one is chosen. */

import { renderChoice } from "./choice_buttons.js";

export default { render: renderChoice };
