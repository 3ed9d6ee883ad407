"""The bundled small generator: how it is made, and how it is loaded."""
