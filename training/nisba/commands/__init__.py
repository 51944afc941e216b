"""What each ``nisba`` command does with its options, by what it is about. Heavy libraries are imported where they are used."""
