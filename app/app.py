"""What a hosted Space runs: the demo, on every address of its container, at the port that the Space names."""

import os
import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent

if __name__ == "__main__":
    # A script's own folder comes first on the path, and `app` would be this very file.
    sys.path[0] = str(HERE.parent)
    hosted = ["--host", "0.0.0.0"] if os.environ.get("SPACE_ID") else []
    port = os.environ.get("GRADIO_SERVER_PORT")
    main = import_module(f"{HERE.name}.program").main
    raise SystemExit(main([*hosted, *(["--port", port] if port else []), *sys.argv[1:]]))
