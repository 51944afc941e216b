"""One module a format: ``read(path) -> Iterator[Document]`` and ``write(documents, path)``."""
