"""Moves slots between shards while they are read and written to: copies, follows, fences, switches, clears.

Where a move stands is said by the slot map itself, so that whoever comes after a mover that was killed can
finish what it began or take it back:

    moving, owned by the source     the target is being given a copy, which follows the source's changes
    moving, fenced                  nobody writes; the last changes are being copied
    moving, owned by the target     the target serves; the source is being cleared
"""
