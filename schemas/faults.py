"""What is wrong with something that a person wrote, such as a file or settings: all of it at once."""


class Faults(ValueError):
    """Every fault, a line each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
