# Runs when CPack has laid out the files of the packages: symbols stay out of them, and what zsh
# completes by is where Debian's zsh looks.

set(usr "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/command/usr")
file(REMOVE_RECURSE "${usr}/bin/.debug")
if(IS_DIRECTORY "${usr}/share/zsh/site-functions")
    file(RENAME "${usr}/share/zsh/site-functions" "${usr}/share/zsh/vendor-completions")
endif()
