"""Moves slots between shards while they are read and written: copy, follow, fence, switch, clear.

The slot map itself holds the state of a move, so that another run can finish or undo the move of a killed
one:

    moving, owned by the source     the target receives a copy, which follows the source's changes
    moving, fenced                  writes are refused; the last changes are being copied
    moving, owned by the target     the target serves; the source is being cleared
"""
