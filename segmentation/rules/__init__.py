"""Rules as data. A bank's own folder of the same file names overrides what ships here."""
