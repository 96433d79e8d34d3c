"""The engine alone: npstream's streams/ with a processor that does the peers' work and nothing more, exactly once."""
